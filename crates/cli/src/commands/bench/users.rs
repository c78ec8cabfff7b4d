//! The users of a benchmark: scattered names, 8 zones, a slot each quarter of an hour, and about
//! 300 bytes of JSON each.

use serde_json::json;

/// For which feature they state a preference.
pub(super) const FEATURE: &str = "instagram_posts";

const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "UTC",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "America/Los_Angeles",
];

/// Slots of a day.
pub(super) const SLOTS: u64 = 96;

/// In how many groups they are, if they are enough.
pub(super) const GROUPS: u64 = ZONES.len() as u64 * SLOTS;

/// Returns a user's name. Users whose numbers are neighbours are not neighbours by name, and no two
/// users share a name.
pub(super) fn tenant(user: u64) -> String {
    // An odd factor makes it a permutation of all 64-bit numbers.
    format!("user-{:016x}", user.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Returns the group of a user, from 0.
pub(super) fn group(user: u64) -> u64 {
    user % GROUPS
}

/// Returns a user's preference.
pub(super) fn preference(user: u64) -> String {
    let (zone, slot) = (ZONES[(group(user) / SLOTS) as usize], group(user) % SLOTS);
    json!({
        "enabled": true, "frequency": "daily",
        "preferred_time": format!("{:02}:{:02}", slot / 4, slot % 4 * 15), "timezone": zone,
        "template_overrides": {
            "tone": "professional", "length": "medium",
            "focus_areas": ["pricing", "description", "photographs"],
            "greeting": format!("Good morning, customer number {user:07}"),
            "signature": "The team of the little shop at the corner"
        }
    })
    .to_string()
}

/// Returns a user's line of an import.
pub(super) fn line(user: u64) -> String {
    format!(
        "{{\"tenant_id\":\"{}\",\"feature_type\":\"{FEATURE}\",\"preference\":{}}}\n",
        tenant(user),
        preference(user)
    )
}

#[cfg(test)]
mod tests {
    use cohort_preferences::Preference;

    use super::*;

    #[test]
    fn every_preference_is_valid_and_has_about_300_bytes() {
        for user in 0..GROUPS {
            let text = preference(user);
            assert!((280..=340).contains(&text.len()), "{} bytes", text.len());
            let value = serde_json::from_str(&text).expect("JSON");
            Preference::from_json(&value, "").expect("valid");
        }
    }
}
