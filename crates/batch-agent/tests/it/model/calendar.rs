//! When the groups of the model fire, by the oracle.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;

use super::Group;
use crate::oracle::{DAY, LocalClock};
use crate::stated_preferences::Asked;

/// When a group fires in the months of the test.
pub(super) struct Calendar {
    pub(super) asked: Asked,
    pub(super) firings: BTreeMap<Timestamp, String>,
}

type Calendars = RefCell<BTreeMap<Group, Rc<Calendar>>>;

thread_local! {
    /// Calendars are the same for every life.
    static CALENDARS: Calendars = const { RefCell::new(BTreeMap::new()) };
}

impl Calendar {
    /// All firings from the day before the test's first to months behind its last.
    pub(super) fn of(asked: Asked) -> Rc<Self> {
        let make = || {
            let first: Timestamp = "2026-10-20T00:00:00Z".parse().expect("an instant");
            let clock = LocalClock::walked(
                &asked.rules(),
                first.as_second(),
                first.as_second() + 120 * DAY,
                1800,
            );
            let at = |second: i64| Timestamp::from_second(second).expect("an instant");
            let firings = clock
                .occurrences(&asked.preference())
                .into_iter()
                .map(|(second, nominal)| (at(second), nominal))
                .collect();
            Rc::new(Self { asked, firings })
        };
        CALENDARS.with_borrow_mut(|calendars| {
            Rc::clone(calendars.entry(asked.group()).or_insert_with(make))
        })
    }
}
