//! Purposes that are slowed for a time (D4).

use std::collections::HashMap;

use cohort_preferences::PurposeId;

use super::fixtures::{Handles, Promise, nine, seconds_past_nine};

pub(super) const ALL: [Promise; 1] =
    [|ledger| Box::pin(a_purpose_is_slowed_until_the_latest_instant_that_was_asked_for(ledger))];

async fn a_purpose_is_slowed_until_the_latest_instant_that_was_asked_for(
    Handles { one, other }: Handles,
) {
    let purpose: PurposeId = "posting".parse().expect("a purpose");
    for (ledger, seconds) in [(&one, 60), (&other, 30)] {
        ledger.slow_purpose(&purpose, seconds_past_nine(seconds)).await.expect("noted");
    }
    assert_eq!(
        one.slowed_purposes(nine()).await.expect("reads"),
        HashMap::from([(purpose, seconds_past_nine(60))])
    );
    assert!(one.slowed_purposes(seconds_past_nine(60)).await.expect("reads").is_empty());
}
