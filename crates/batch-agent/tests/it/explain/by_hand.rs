//! Users whom somebody has run by hand: a trigger is explained as any other run is, and beside the
//! occurrence of its day.

use cohort_batch_agent::{Answer, Choice, Explainer, JobRegistry, StepName};
use serde_json::json;

use super::scene::{agent, explain, says, stage, steps};
use crate::stage::{Stage, instant};

/// `u` at nine o'clock each day, run by hand twelve seconds past five on Monday.
async fn triggered() -> Stage {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    agent.until("2026-12-07T05:00:12Z").await;
    let registry = JobRegistry::of_agent(&agent.processor);
    registry.trigger(&"write_posts".parse().expect("a job")).await.expect("triggered");
    agent.until("2026-12-07T05:02:00Z").await;
    stage
}

#[tokio::test]
async fn a_run_by_hand_is_explained_for_its_day_its_minute_and_its_instant() {
    let stage = triggered().await;
    let run = stage.runs().await[0].occurrence.at.to_string();
    for moment in ["today", "monday", "2026-12-07", "2026-12-07T05:00", "today 05:00", &run] {
        let why = explain(&stage, moment).await;
        assert_eq!(why.answer, Answer::Succeeded, "{moment}: {}", why.sentence);
        let why = says(
            why,
            "u was run on Monday 7 December at 05:00:12 UTC: succeeded at attempt 1, with version \
             1 of the preference, made by version 1 of its purpose",
        );
        assert!(steps(&why).contains(&StepName::Run) && why.by_hand.is_empty(), "{moment}");
    }
    for moment in ["yesterday", "2026-12-07T05:01", "2026-12-07T05:00:11Z"] {
        assert_ne!(explain(&stage, moment).await.answer, Answer::Succeeded, "{moment}");
    }
}

#[tokio::test]
async fn a_run_by_hand_is_told_beside_the_occurrence_of_its_day() {
    let stage = triggered().await;
    agent(&stage).await.until("2026-12-07T12:00:00Z").await;
    let why = explain(&stage, "monday").await;
    assert_eq!((why.at, why.answer), (Some(instant("2026-12-07T09:00:00Z")), Answer::Succeeded));
    let [by_hand] = &*why.by_hand else { panic!("{:?}", why.by_hand) };
    assert_eq!(by_hand.answer, Answer::Succeeded);
    assert!(by_hand.nominal.to_string().starts_with("trigger:"), "{}", by_hand.nominal);
    assert!(
        by_hand.sentence.starts_with("u was run on Monday 7 December at 05:00:12 UTC: succeeded")
            && by_hand.sentence.ends_with(", by hand)"),
        "{}",
        by_hand.sentence
    );
    let at_nine = explain(&stage, "monday 09:00").await;
    assert_eq!((at_nine.answer, at_nine.by_hand.len()), (Answer::Succeeded, 0));
}

#[tokio::test]
async fn without_a_job_those_are_explained_that_have_to_do_with_the_user() {
    let stage = triggered().await;
    let mut jobs = Vec::new();
    for (job, feature) in [("write_posts", "posts"), ("write_briefs", "briefs")] {
        jobs.push(json!({
            "job_id": job, "type": "individual_batch", "purpose_id": "write",
            "preference_based": true, "feature_type": feature
        }));
    }
    let documents = super::scene::documents(&json!(jobs));
    stage.registry().apply(&documents, "ann").await.expect("applied");
    let explainer = Explainer::new(stage.evidence(None));
    let of = async |tenant: &str| {
        let (tenant, moment) = (tenant.parse().expect("a tenant"), "monday".parse());
        let explained = explainer.explain_jobs(&tenant, moment.expect("a moment")).await;
        let explained = explained.expect("explained");
        explained.into_iter().map(|why| (why.job_id.to_string(), why.answer)).collect::<Vec<_>>()
    };
    assert_eq!(of("u").await, [("write_posts".to_owned(), Answer::Succeeded)]);
    let unknown = Answer::UnknownUser;
    let all = ["write_briefs", "write_posts"].map(|job| (job.to_owned(), unknown));
    assert_eq!(of("nobody").await, all, "if none has, all are");
}

#[tokio::test]
async fn a_rerun_is_told_with_the_work_that_it_does_again() {
    let stage = stage(&json!({})).await;
    let agent = agent(&stage).await;
    agent.until("2026-12-08T10:00:00Z").await;
    let choice = Choice {
        job: Some("write_posts".parse().expect("a job")),
        until: Some(instant("2026-12-08T00:00:00Z")),
        ..Choice::default()
    };
    let registry = JobRegistry::of_agent(&agent.processor);
    registry.rerun(&choice, None).await.expect("opened");
    agent.until("2026-12-08T10:05:00Z").await;
    let monday = explain(&stage, "monday").await;
    let [rerun] = &*monday.by_hand else { panic!("{:?}", monday.by_hand) };
    assert_eq!((monday.answer, rerun.answer), (Answer::Succeeded, Answer::Succeeded));
    assert!(rerun.nominal.to_string().starts_with("rerun:"), "{}", rerun.nominal);
    let later = explain(&stage, "tuesday 09:00").await;
    assert_eq!((later.answer, later.by_hand.len()), (Answer::Succeeded, 0), "of another day");
    let itself = explain(&stage, "tuesday 10:00").await;
    assert_eq!((itself.answer, itself.nominal), (Answer::Succeeded, None));
}
