//! The steps of a life, by chance.

use std::fmt;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::Terms;
use crate::stated_preferences::{Day, Frequency, Stated};

const USERS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
pub(super) enum Step {
    Write {
        user: &'static str,
        stated: Stated,
        is_off: bool,
    },
    Delete {
        user: &'static str,
    },
    Snooze {
        user: &'static str,
        hours: i64,
    },
    /// The feature is given other default preferences.
    Defaults {
        stated: Stated,
    },
    /// Skips the next occurrence after so many others.
    Skip {
        user: &'static str,
        others: usize,
    },
    Run {
        minutes: i64,
    },
    /// The agent dies when it calls this user, and another goes on.
    RunAndDie {
        minutes: i64,
        user: &'static str,
    },
    /// The clock jumps under the agent's feet.
    Jump {
        minutes: i64,
    },
    /// The agent is stopped; another starts so much later.
    Down {
        minutes: i64,
    },
    GoAway,
    ComeBack,
}

#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) terms: Terms,
    pub(super) steps: Vec<Step>,
}

fn stated() -> impl Strategy<Value = Stated> {
    let time = || {
        prop_oneof![1 => Just(None),
        4 => select(vec![150, 480, 540, 600, 1200, 1410]).prop_map(Some)]
    };
    let zone = prop_oneof![1 => Just(None),
        4 => select(vec!["UTC", "Europe/Berlin", "America/New_York"]).prop_map(Some)];
    let week = || {
        select(vec![
            None,
            Some(Day::Week(&[0])),
            Some(Day::Week(&[2, 6])),
            Some(Day::Week(&[4, 5, 6])),
        ])
    };
    let month =
        select(vec![None, Some(Day::Month(1)), Some(Day::Month(25)), Some(Day::LastOfMonth)]);
    let of = |frequency: Option<Frequency>, time, day| Stated { frequency, time, day, zone: None };
    let when = prop_oneof![
        1 => time().prop_map(move |time| of(None, time, None)),
        2 => time().prop_map(move |time| of(Some(Frequency::Hourly), time, None)),
        6 => time().prop_map(move |time| of(Some(Frequency::Daily), time, None)),
        3 => (time(), week()).prop_map(move |(time, day)| of(Some(Frequency::Weekly), time, day)),
        1 => (time(), week()).prop_map(move |(time, day)| of(Some(Frequency::Biweekly), time, day)),
        1 => (time(), month).prop_map(move |(time, day)| of(Some(Frequency::Monthly), time, day)),
        1 => select(vec![Frequency::CronWild, Frequency::CronSteps,
            Frequency::CronFixed]).prop_map(move |frequency| of(Some(frequency), None, None)),
    ];
    (when, zone).prop_map(|(when, zone)| Stated { zone, ..when })
}

/// A default states a frequency, else a user who states none could not be scheduled (T12).
fn defaults() -> impl Strategy<Value = Stated> {
    stated().prop_map(|stated| Stated {
        frequency: stated.frequency.or(Some(Frequency::Daily)),
        ..stated
    })
}

fn minutes(most_hours: i64) -> impl Strategy<Value = i64> {
    (1..=most_hours * 12).prop_map(|fives| fives * 5)
}

fn step() -> impl Strategy<Value = Step> {
    let user = || select(USERS.to_vec());
    let write = |(user, stated, is_off)| Step::Write { user, stated, is_off };
    let back_or_on = prop_oneof![minutes(6).prop_map(|minutes| -minutes), minutes(6), minutes(80)];
    prop_oneof![
        6 => (user(), stated(), prop::bool::weighted(0.15)).prop_map(write),
        1 => user().prop_map(|user| Step::Delete { user }),
        1 => (user(), 1..60i64).prop_map(|(user, hours)| Step::Snooze { user, hours }),
        1 => (user(), 0..3usize).prop_map(|(user, others)| Step::Skip { user, others }),
        1 => stated().prop_map(|stated| Step::Defaults { stated }),
        4 => prop_oneof![minutes(3), minutes(30)].prop_map(|minutes| Step::Run { minutes }),
        1 => (minutes(30), user()).prop_map(|(minutes, user)| Step::RunAndDie { minutes, user }),
        2 => back_or_on.prop_map(|minutes| Step::Jump { minutes }),
        1 => prop_oneof![Just(0), minutes(10),
            minutes(80)].prop_map(|minutes| Step::Down { minutes }),
        1 => Just(Step::GoAway),
        1 => Just(Step::ComeBack),
    ]
}

pub(super) fn life() -> impl Strategy<Value = Life> {
    let window = select(vec![
        None,
        Some(SignedDuration::from_mins(45)),
        Some(SignedDuration::from_hours(40)),
    ]);
    let misfire = select(vec!["latest", "latest", "all", "skip"]);
    let terms = (misfire, window, select(vec!["day", "day", "off"]), defaults());
    let terms = terms.prop_map(|(misfire, catchup_window, once_per, defaults)| Terms {
        misfire,
        catchup_window,
        once_per,
        defaults,
    });
    (terms, prop::collection::vec(step(), 5..40)).prop_map(|(terms, steps)| Life { terms, steps })
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.terms)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "    {step:?}"))
    }
}
