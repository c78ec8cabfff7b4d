//! The ramp of a purpose that has recovered: one call at once, doubled with each round that
//! succeeds, up to the limits. Pure decisions (D12).
//!
//! A round succeeds if fewer than half of its calls fail: the measure by which a purpose is failing
//! at all. So a few users on whom the handler always breaks do not keep it from recovering.

use super::report::RampEnd;

/// How far a recovery is, at one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ramp {
    /// How many calls there may be at once.
    pub(super) at_once: usize,
    succeeded: usize,
    faulted: usize,
}

impl Ramp {
    pub(super) fn beginning() -> Self {
        Self { at_once: 1, succeeded: 0, faulted: 0 }
    }

    /// Notes the end of a call that was begun within the ramp. Returns how the ramp ended, if it
    /// did; `limit` is how many calls there are at most.
    pub(super) fn note(&mut self, is_fault: bool, limit: usize) -> Option<RampEnd> {
        if is_fault {
            self.faulted += 1;
        } else {
            self.succeeded += 1;
        }
        if self.faulted * 2 >= self.at_once.max(1) {
            return Some(RampEnd::Broken);
        }
        if self.succeeded + self.faulted >= self.at_once {
            (self.at_once, self.succeeded, self.faulted) = (self.at_once * 2, 0, 0);
        }
        (self.at_once >= limit).then_some(RampEnd::ReachedLimits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Ramp {
        Ramp::beginning()
    }

    #[test]
    fn each_round_that_succeeds_doubles_the_calls_up_to_the_limit() {
        let mut ramp = ramp();
        let mut rounds = Vec::new();
        loop {
            rounds.push(ramp.at_once);
            let ends: Vec<_> = (0..ramp.at_once).map(|_| ramp.note(false, 25)).collect();
            if ends.contains(&Some(RampEnd::ReachedLimits)) {
                break;
            }
        }
        assert_eq!(rounds, [1, 2, 4, 8, 16]);
    }

    #[test]
    fn half_of_a_round_that_fails_breaks_it_and_fewer_do_not() {
        assert_eq!(ramp().note(true, 25), Some(RampEnd::Broken));
        let mut ramp = Ramp { at_once: 8, ..ramp() };
        for _ in 0..3 {
            assert_eq!(ramp.note(true, 25), None);
        }
        assert_eq!(ramp.note(true, 25), Some(RampEnd::Broken));
    }
}
