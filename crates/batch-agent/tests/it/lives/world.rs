//! The stage and the model side by side.

use std::collections::BTreeSet;

use cohort_batch_agent::{OutcomeQuery, StatusName};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::steps::Step;
use crate::handler::Script;
use crate::model::{Ended, Missed, Model, Terms, Wanted, date};
use crate::stage::{Agent, Stage};

/// The Thursday before the night on which Berlin's clocks change; New York's change a week later.
const BEGINNING: &str = "2026-10-22T00:02:30Z";

impl Terms {
    fn to_json(&self) -> Value {
        let mut job = json!({"misfire": self.misfire, "once_per": self.once_per,
            "default_preferences": self.defaults.to_json()});
        if let Some(window) = self.catchup_window {
            job["catchup_window"] = json!(format!("{window:#}"));
        }
        job
    }
}

impl Wanted {
    fn to_json(&self) -> Value {
        let mut fields = self.stated.to_json();
        fields.extend(self.is_off.then(|| ("enabled".into(), json!(false))));
        fields.extend(self.snoozed_until.map(|until| ("snoozed_until".into(), json!(until))));
        fields.extend(self.skip_next.as_ref().map(|nominal| ("skip_next".into(), json!(nominal))));
        Value::Object(fields)
    }
}

/// The stage and the model, which live through the same.
pub(super) struct World {
    stage: Stage,
    model: Model,
    agent: Option<Agent>,
    is_away: bool,
}

impl World {
    pub(super) async fn begin(terms: &Terms) -> Self {
        let stage = Stage::at(BEGINNING, &terms.to_json());
        let model = Model::of(terms.clone(), stage.now());
        let agent = Some(stage.agent().await);
        Self { stage, model, agent, is_away: false }
    }

    pub(super) async fn live(&mut self, step: Step) {
        match step {
            Step::Write { user, stated, is_off } => {
                self.write(user, Wanted { stated, is_off, ..Wanted::default() });
            }
            Step::Delete { user } => {
                let at = self.stage.source.delete(user);
                self.model.write(user, at, None);
            }
            Step::Snooze { user, hours } => {
                let until = self.stage.now() + SignedDuration::from_hours(hours);
                self.rewrite(user, |wanted| wanted.snoozed_until = Some(until));
            }
            Step::Skip { user, others } => {
                let nominal = self.model.coming(user, self.stage.now(), others);
                self.rewrite(user, |wanted| wanted.skip_next = nominal);
            }
            Step::Defaults { stated } => {
                let at = self.stage.source.register_defaults(&Value::Object(stated.to_json()));
                self.model.set_feature_defaults(at, stated);
            }
            Step::Run { minutes } => self.run(minutes, None).await,
            Step::RunAndDie { minutes, user } => self.run(minutes, Some(user)).await,
            Step::Jump { minutes } => {
                self.stage.clock.set_to(self.stage.now() + SignedDuration::from_mins(minutes));
            }
            Step::Down { minutes } => {
                self.agent = None;
                self.stage.clock.advance_to(self.stage.now() + SignedDuration::from_mins(minutes));
            }
            Step::GoAway => self.is_away = true,
            Step::ComeBack => self.is_away = false,
        }
    }

    fn write(&mut self, user: &str, wanted: Wanted) {
        let at = self.stage.source.set(user, wanted.to_json());
        self.model.write(user, at, Some(wanted));
    }

    fn rewrite(&mut self, user: &str, change: impl FnOnce(&mut Wanted)) {
        if let Some(mut wanted) = self.model.wanted(user).cloned() {
            change(&mut wanted);
            self.write(user, wanted);
        }
    }

    /// An agent can only start while the Config Database is there; without it, a run ends within
    /// hours.
    async fn run(&mut self, minutes: i64, dies_at: Option<&str>) {
        self.is_away &= self.agent.is_some() && dies_at.is_none();
        let minutes = if self.is_away { minutes.min(180) } else { minutes };
        let (from, until) =
            (self.stage.now(), self.stage.now() + SignedDuration::from_mins(minutes));
        if self.is_away {
            self.stage.now_away();
        } else {
            self.stage.now_well();
        }
        if let Some(user) = dies_at {
            self.stage.handler.script(user, Script::Hang);
        }
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => self.stage.agent().await,
        };
        let end = until.to_string();
        let dead = tokio::select! {
            () = agent.until(&end) => false,
            () = self.stage.handler.hung.notified() => true,
        };
        self.stage.handler.forget_scripts();
        let agent = if dead { self.stage.agent().await } else { agent };
        agent.until(&end).await;
        self.agent = Some(agent);
        self.model.run(from, until, self.is_away);
    }

    /// Everything that still waits is done.
    pub(super) async fn end(&mut self) {
        self.is_away = false;
        self.run(180, None).await;
    }

    pub(super) async fn differences(&self) -> Vec<String> {
        let (expected, undecided) = self.model.ended();
        let mut differences = compared(
            "outcome",
            comparable(expected, &undecided),
            comparable(self.ended().await, &undecided),
        );
        differences.extend(compared("missed", self.model.missed().to_vec(), self.missed().await));
        differences
    }

    async fn ended(&self) -> Vec<Ended> {
        let (outcomes, more) =
            self.stage.ledger().outcomes(OutcomeQuery::default()).await.expect("outcomes");
        assert_eq!(more, None, "a life's outcomes fit into one page");
        let status = |status: StatusName, reason: Option<String>| match (status, reason) {
            (StatusName::Succeeded, None) => "succeeded".into(),
            (status, reason) => format!(
                "{}({})",
                json!(status).as_str().expect("a text"),
                reason.unwrap_or_default()
            ),
        };
        let ended = outcomes.into_iter().map(|outcome| Ended {
            tenant: outcome.tenant_id.to_string(),
            nominal: outcome.nominal.to_string(),
            zone: outcome.timezone,
            status: status(outcome.status, outcome.reason),
            version: outcome.preference_version,
        });
        ended.collect()
    }

    async fn missed(&self) -> Vec<Missed> {
        let missed = self.stage.runs().await.into_iter().filter_map(|run| {
            let reason = run.reason.filter(|_| run.counts.missed > 0)?.as_str().to_owned();
            Some(Missed {
                group: run.group.to_string(),
                nominal: run.occurrence.nominal.to_string(),
                reason,
                members: run.counts.missed,
            })
        });
        missed.collect()
    }
}

/// Where no rule says which of two runs of a date comes first, only the date is compared.
fn comparable(ended: Vec<Ended>, undecided: &BTreeSet<(String, String)>) -> Vec<Ended> {
    let loosen = |mut ended: Ended| {
        let day = date(&ended.nominal).to_owned();
        let is_either = ended.status == "succeeded" || ended.status == "skipped(already_ran)";
        if is_either && undecided.contains(&(ended.tenant.clone(), day.clone())) {
            (ended.nominal, ended.zone) = (day, String::new());
        }
        ended
    };
    ended.into_iter().map(loosen).collect()
}

fn compared<T: Ord + std::fmt::Debug>(
    what: &str,
    mut expected: Vec<T>,
    mut got: Vec<T>,
) -> Vec<String> {
    expected.sort();
    got.sort();
    let lacks = |all: &[T], one: &T, of: &[T]| {
        of.iter().filter(|other| *other == one).count()
            > all.iter().filter(|other| *other == one).count()
    };
    let lacking = expected
        .iter()
        .filter(|one| lacks(&got, one, &expected))
        .map(|one| format!("lacking {what}: {one:?}"));
    let strange = got
        .iter()
        .filter(|one| lacks(&expected, one, &got))
        .map(|one| format!("strange {what}: {one:?}"));
    lacking.chain(strange).collect()
}
