//! A preference, which differs by its frequency.

use super::shape::{
    Shape, Shapes, any_of, fixed, flag, integer, list_of, named, object, one_of, text,
};

/// Returns the shapes of a preference.
pub(in crate::api) fn preference_shapes() -> Shapes {
    let time = || ("preferred_time", named("TimeOfDay"));
    let variants = [
        preference(None, [time()]),
        preference(Some("hourly"), [time()]),
        preference(Some("daily"), [time()]),
        preference(Some("weekly"), [time(), ("preferred_day", weekdays())]),
        preference(
            Some("biweekly"),
            [time(), ("preferred_day", weekdays()), ("anchor_date", text().format("date"))],
        ),
        preference(Some("monthly"), [time(), ("preferred_day", day_of_month())]),
        preference(Some("cron"), [("cron", text().format("cron").described("Five fields."))]),
    ];
    vec![(
        "Preference",
        any_of(variants).described(
            "One user's settings for one feature: what is left out is left to the defaults.",
        ),
    )]
}

/// Returns one variant, with the fields that say when inside its frequency.
fn preference<const N: usize>(frequency: Option<&str>, when: [(&str, Shape); N]) -> Shape {
    let common = object()
        .optional("enabled", flag())
        .optional("timezone", named("Timezone"))
        .optional("template_overrides", Shape::any_object())
        .optional("snoozed_until", named("Instant"))
        .optional("skip_next", named("Nominal"));
    let shape = when.into_iter().fold(common, |shape, (name, field)| shape.optional(name, field));
    match frequency {
        Some(frequency) => shape.field("frequency", fixed(frequency)),
        None => shape,
    }
}

fn weekdays() -> Shape {
    let weekday =
        one_of(&["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]);
    any_of([weekday.clone(), list_of(weekday).least_items(1)])
}

fn day_of_month() -> Shape {
    any_of([integer().at_least(1).at_most(31), fixed("last")])
}
