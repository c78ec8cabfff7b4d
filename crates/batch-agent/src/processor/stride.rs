//! Whose turn it is: urgent work goes first, and no class of it starves (D7). Pure decisions.
//!
//! Stride scheduling: each class owes for what it was served, the less the more urgent it is, and
//! the class that owes least is next. So of what is served while all four have work, critical gets
//! eight fifteenths, high four, medium two and low one. A class without work saves nothing up: it
//! comes back owing as much as the least that others owe. Within a class the work that waits
//! longest is next, chunks and members alike.

use cohort_preferences::Priority;

use cohort_ledger::Waiting;

/// What each class owes for what it was served, beyond what the class owes that owes least.
#[derive(Debug, Default)]
pub(super) struct StrideScheduler {
    debts: [u64; CLASSES],
}

const CLASSES: usize = 4;

/// What a user served costs each class: the inverse of its share.
const PRICES: [u64; CLASSES] = [1, 2, 4, 8];

impl StrideScheduler {
    /// The index of what is to be claimed next; `None` if nothing waits.
    pub(super) fn next(&mut self, waiting: &[Waiting]) -> Option<usize> {
        let owed = |waiting: &Waiting, debts: &[u64; CLASSES]| debts[class(waiting.lane.priority)];
        let least = waiting.iter().map(|waiting| owed(waiting, &self.debts)).min()?;
        self.debts = self.debts.map(|debt| debt.saturating_sub(least));
        let is_of_next_class = |(_, waiting): &(usize, &Waiting)| owed(waiting, &self.debts) == 0;
        let next = waiting
            .iter()
            .enumerate()
            .filter(is_of_next_class)
            .min_by_key(|(_, waiting)| (waiting.lane.priority, waiting.since));
        next.map(|(index, _)| index)
    }

    /// Notes how many users of a class were claimed.
    pub(super) fn charge(&mut self, priority: Priority, users: usize) {
        self.debts[class(priority)] += PRICES[class(priority)] * users.max(1) as u64;
    }
}

fn class(priority: Priority) -> usize {
    match priority {
        Priority::Critical => 0,
        Priority::High => 1,
        Priority::Medium => 2,
        Priority::Low => 3,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use cohort_ledger::{Lane, WaitingWork};

    const ALL: [Priority; CLASSES] =
        [Priority::Critical, Priority::High, Priority::Medium, Priority::Low];

    fn waiting(priority: Priority, second: i64) -> Waiting {
        let lane = Lane { job: "job".parse().expect("a name"), priority };
        Waiting {
            lane,
            work: WaitingWork::Chunks,
            since: Timestamp::from_second(second).expect("in range"),
        }
    }

    /// Serves claims of these sizes while these classes have work, and counts the users of each
    /// class.
    fn serve(
        stride: &mut StrideScheduler,
        classes: &[Priority],
        claims: &[usize],
    ) -> [u64; CLASSES] {
        let waiting: Vec<_> = classes.iter().map(|priority| waiting(*priority, 0)).collect();
        let mut served = [0; CLASSES];
        for users in claims {
            let priority = waiting[stride.next(&waiting).expect("something waits")].lane.priority;
            stride.charge(priority, *users);
            served[class(priority)] += *users as u64;
        }
        served
    }

    proptest! {
        #[test]
        fn whatever_was_before_each_class_with_work_gets_its_share(
            before in prop::collection::vec((prop::sample::subsequence(ALL.to_vec(), 1..=4),
                prop::collection::vec(1..1_000usize, 0..30)), 0..5),
            classes in prop::sample::subsequence(ALL.to_vec(), 1..=4),
            claims in prop::collection::vec(1..1_000usize, 200..400),
        ) {
            let mut stride = StrideScheduler::default();
            for (classes, claims) in before {
                serve(&mut stride, &classes, &claims);
            }
            let served = serve(&mut stride, &classes, &claims);
            let all: u64 = claims.iter().map(|users| *users as u64).sum();
            let parts: u64 = classes.iter().map(|priority| 8 / PRICES[class(*priority)]).sum();
            for priority in &classes {
                let share = all * (8 / PRICES[class(*priority)]) / parts;
                let got = served[class(*priority)];
                // A claim is served whole, and what a class owes from before is at most one claim.
                prop_assert!(got + 4_000 >= share, "{priority:?} got {got} of {share}: {served:?}");
            }
        }

        #[test]
        fn a_more_urgent_class_is_not_served_less(claims in prop::collection::vec(25..=25usize,
            15..200)) {
            let served = serve(&mut StrideScheduler::default(), &ALL, &claims);
            prop_assert!(served.is_sorted_by(|more, less| more >= less), "{served:?}");
        }
    }

    #[test]
    fn fifteen_equal_claims_are_shared_eight_four_two_and_one() {
        assert_eq!(serve(&mut StrideScheduler::default(), &ALL, &[1; 15]), [8, 4, 2, 1]);
    }

    #[test]
    fn urgent_work_that_comes_after_a_long_time_of_other_work_is_next() {
        let mut stride = StrideScheduler::default();
        serve(&mut stride, &[Priority::Low], &[1_000; 50]);
        assert_eq!(
            stride.next(&[waiting(Priority::Low, 0), waiting(Priority::Critical, 9)]),
            Some(1)
        );
    }

    #[test]
    fn within_a_class_the_work_that_waits_longest_is_next() {
        let of_class = [
            waiting(Priority::Medium, 3),
            waiting(Priority::Medium, 1),
            waiting(Priority::Medium, 2),
        ];
        assert_eq!(StrideScheduler::default().next(&of_class), Some(1));
        assert_eq!(StrideScheduler::default().next(&[]), None);
    }
}
