//! Turns among those who wait (D7).

use std::sync::Arc;

use super::fixtures::{
    Handles, Promise, claim, ended, lane, members, new_run, nine, numbers, open,
};
use crate::{Ledger, MembersQueued, MembersRead, Run, RunState, Status};

pub(super) const ALL: [Promise; 4] = [
    |ledger| Box::pin(a_value_that_comes_late_is_served_in_turn_with_those_that_wait(ledger)),
    |ledger| Box::pin(a_value_that_was_away_saves_nothing_up(ledger)),
    |ledger| Box::pin(who_was_handed_back_keeps_the_turn_and_who_is_tried_again_goes_first(ledger)),
    |ledger| Box::pin(many_who_queue_at_once_lose_nobody(ledger)),
];

/// Queues the users of a run at this minute past eight, each in a chunk of its own. A user of the
/// value 3 has a number in the three hundreds.
async fn queue(ledger: &dyn Ledger, minute: u64, value: u64, users: u64) -> Run {
    let run = open(ledger, new_run(&format!("08:{minute:02}"))).await.expect("opened");
    assert!(queue_page(ledger, &run, value, users).await);
    run
}

async fn queue_page(ledger: &dyn Ledger, run: &Run, value: u64, users: u64) -> bool {
    let first = value * 100 + run.id.0 as u64 * 1_000;
    let read = MembersRead {
        run,
        stated: run.stated.clone(),
        members: members(first..first + users),
        next_cursor: None,
        chunk_size: 1,
        claim: claim("a"),
    };
    let values = vec![value.to_string(); users as usize];
    ledger.queue_members(MembersQueued { read, values }).await.expect("queued")
}

/// Claims the next chunks and records that they are done. Returns their values, in the order of
/// their turns.
async fn serve(ledger: &dyn Ledger, chunks: usize) -> Vec<u64> {
    let mut served = Vec::new();
    for chunk in ledger.claim_chunks(&lane(), claim("a"), chunks).await.expect("claimed") {
        served.push(chunk.open[0].number % 1_000 / 100);
        ledger.record_outcomes(ended(&chunk, Status::Succeeded, nine())).await.expect("recorded");
    }
    served
}

fn sorted(mut values: Vec<u64>) -> Vec<u64> {
    values.sort_unstable();
    values
}

async fn a_value_that_comes_late_is_served_in_turn_with_those_that_wait(
    Handles { one, other }: Handles,
) {
    let many = queue(&*one, 1, 1, 8).await;
    assert!(!queue_page(&*other, &many, 1, 8).await, "a page is queued once");
    assert_eq!(serve(&*one, 2).await, [1, 1]);
    queue(&*other, 2, 2, 3).await;
    for _turn in 0..3 {
        assert_eq!(sorted(serve(&*one, 2).await), [1, 2]);
    }
    assert_eq!(serve(&*other, 9).await, [1, 1, 1]);
    assert_eq!(one.run(many.id).await.expect("read").expect("there").state, RunState::Closed);
}

async fn a_value_that_was_away_saves_nothing_up(Handles { one, .. }: Handles) {
    queue(&*one, 1, 1, 9).await;
    assert_eq!(serve(&*one, 9).await, [1; 9]);
    queue(&*one, 2, 1, 4).await;
    queue(&*one, 3, 2, 4).await;
    assert_eq!(sorted(serve(&*one, 4).await), [1, 1, 2, 2]);
}

async fn who_was_handed_back_keeps_the_turn_and_who_is_tried_again_goes_first(
    Handles { one, .. }: Handles,
) {
    queue(&*one, 1, 1, 3).await;
    let first = one.claim_chunks(&lane(), claim("a"), 1).await.expect("claimed");
    one.release_chunks("a", nine()).await.expect("released");
    let again = one.claim_chunks(&lane(), claim("a"), 2).await.expect("claimed");
    assert_eq!(numbers(&again[..1]), numbers(&first));
    let rest = Some((again[1].open.clone(), nine()));
    let mut retried = ended(&again[1], Status::Succeeded, nine());
    (retried.outcomes, retried.rest) = (Vec::new(), rest);
    one.record_outcomes(retried).await.expect("recorded");
    let next = one.claim_chunks(&lane(), claim("a"), 1).await.expect("claimed");
    assert_eq!(numbers(&next), numbers(&again[1..]));
}

async fn many_who_queue_at_once_lose_nobody(Handles { one, other }: Handles) {
    let agents = (0..8).map(|agent| {
        let ledger = Arc::clone(if agent % 2 == 0 { &one } else { &other });
        tokio::spawn(async move { queue(&*ledger, agent, 1 + agent % 3, 5).await })
    });
    for agent in agents.collect::<Vec<_>>() {
        agent.await.expect("no panic");
    }
    assert_eq!(serve(&*one, 100).await.len(), 40);
}
