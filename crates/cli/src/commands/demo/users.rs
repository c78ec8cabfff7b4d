//! The users of scenario 1: 2,000 want daily posts at 9, 100 weekly on Monday, 900 monthly on the
//! 1st.

use cohort_preferences::{Frequency, TenantId};
use serde_json::{Value, json};

/// The feature that they want.
pub(super) const FEATURE: &str = "instagram_posts";

/// Where they live, from far east to far west of Greenwich.
const ZONES: [&str; 10] = [
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Auckland",
    "Asia/Kolkata",
    "UTC",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "America/Sao_Paulo",
    "Australia/Adelaide",
    "Pacific/Honolulu",
];

const TONES: [&str; 4] = ["professional", "friendly", "playful", "bold"];
const LENGTHS: [&str; 3] = ["short", "medium", "long"];

/// A user and what they want.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) tenant_id: TenantId,
    pub(super) frequency: Frequency,
    pub(super) timezone: &'static str,
    number: usize,
}

/// All 3,000.
pub(super) fn all() -> Vec<User> {
    let frequency = |number| match number {
        0..2_000 => Frequency::Daily,
        2_000..2_100 => Frequency::Weekly,
        _ => Frequency::Monthly,
    };
    (0..3_000).map(|number| User::new(number, frequency(number))).collect()
}

impl User {
    fn new(number: usize, frequency: Frequency) -> Self {
        let tenant_id = format!("user-{:04}", number + 1).parse().expect("a plain name");
        Self { tenant_id, frequency, timezone: ZONES[number % ZONES.len()], number }
    }

    /// What the user states. Weekly and monthly ones leave the time to the job's defaults.
    pub(super) fn preference(&self, frequency: Frequency) -> Value {
        let mut preference = json!({
            "enabled": true,
            "frequency": frequency,
            "timezone": self.timezone,
            "template_overrides": {"tone": TONES[self.number / 10 % TONES.len()],
                "length": LENGTHS[self.number / 40 % LENGTHS.len()]},
        });
        match frequency {
            Frequency::Weekly => preference["preferred_day"] = json!("monday"),
            Frequency::Monthly => preference["preferred_day"] = json!(1),
            _ => preference["preferred_time"] = json!("09:00"),
        }
        preference
    }

    /// The specification's document with this user's preference, as a line.
    pub(super) fn document(&self) -> String {
        let document = json!({
            "tenant_id": self.tenant_id,
            "config_key": cohort_preferences::FEATURE_PREFERENCES,
            "config_value": {FEATURE: self.preference(self.frequency)},
        });
        format!("{document}\n")
    }
}
