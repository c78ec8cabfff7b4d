//! Spreads what many agents would else do at one moment: read everything anew after a Config
//! Database was restored, ask again while it is away.
//!
//! Where an agent comes in a span is picked by its name and the turn, so that each turn has another
//! order, and a simulation repeats itself.

use std::time::Duration;

/// Returns when in the span this agent comes.
pub(crate) fn spread(agent: &str, turn: u64, span: Duration) -> Duration {
    let mut hasher = blake3::Hasher::new();
    hasher.update(agent.as_bytes()).update(&turn.to_le_bytes());
    let mut sample = [0; 4];
    hasher.finalize_xof().fill(&mut sample);
    span.mul_f64(f64::from(u32::from_le_bytes(sample)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(5);

    #[test]
    fn a_hundred_agents_that_lose_a_service_at_once_come_back_over_several_seconds() {
        for turn in 0..20 {
            let mut in_second = [0; 5];
            for agent in 0..100 {
                let at = spread(&format!("agent-{agent}"), turn, SPAN);
                assert!(at <= SPAN);
                in_second[(at.as_secs() as usize).min(4)] += 1;
            }
            assert!(in_second.iter().all(|agents| (5..=40).contains(agents)), "{in_second:?}");
        }
    }

    #[test]
    fn an_agent_comes_at_the_same_point_of_the_same_turn_and_at_another_of_the_next() {
        assert_eq!(spread("one", 1, SPAN), spread("one", 1, SPAN));
        assert_ne!(spread("one", 1, SPAN), spread("one", 2, SPAN));
        assert_ne!(spread("one", 1, SPAN), spread("other", 1, SPAN));
    }
}
