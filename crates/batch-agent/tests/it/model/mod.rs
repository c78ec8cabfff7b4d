//! What the rules promise, as plainly as it can be said: everything that was written is kept, and
//! each question is answered by looking through all of it. Nothing here is shared with the agent;
//! the calendar is the oracle's.
//!
//! The model knows nothing of agents, claims or watermarks: an agent that dies changes nothing, and
//! time that passes while none runs, or by a jump of the clock, is downtime (F1, F2). It is told
//! what is written and when somebody runs.

mod calendar;
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use self::calendar::Calendar;
use crate::stated_preferences::Stated;

/// A preference group by its key and its zone (T10).
pub(crate) type Group = String;

/// One user's preference.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) stated: Stated,
    pub(crate) is_off: bool,
    pub(crate) snoozed_until: Option<Timestamp>,
    pub(crate) skip_next: Option<String>,
}

/// What the job says.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) misfire: &'static str,
    pub(crate) catchup_window: Option<SignedDuration>,
    pub(crate) once_per: &'static str,
    pub(crate) defaults: Stated,
}

/// How one user's work ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ended {
    pub(crate) tenant: String,
    pub(crate) nominal: String,
    pub(crate) zone: String,
    pub(crate) status: String,
    pub(crate) version: Option<u64>,
}

/// Members who got no outcome of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Missed {
    pub(crate) group: Group,
    pub(crate) nominal: String,
    pub(crate) reason: String,
    pub(crate) members: u64,
}

pub(crate) struct Model {
    terms: Terms,
    began: Timestamp,
    /// The defaults, strongest first, and since when they hold (T12).
    defaults: Vec<(Timestamp, Vec<Stated>)>,
    users: BTreeMap<String, Vec<Standing>>,
    /// In which group each user is from when on, `None` for in none: what the writes and the
    /// defaults come to.
    moves: BTreeMap<String, Vec<(Timestamp, Option<Group>)>>,
    groups: BTreeMap<Group, Rc<Calendar>>,
    planned: BTreeSet<(Group, String)>,
    waiting: Vec<Waiting>,
    /// The groups when an agent last read them: what it goes by while it can read nothing (F4).
    known: BTreeMap<Group, Known>,
    done: Vec<Done>,
    missed: Vec<Missed>,
}

/// What a user wanted from an instant on.
struct Standing {
    from: Timestamp,
    /// `None` if the preference was deleted.
    wanted: Option<Wanted>,
}

/// A group as an agent last read it.
#[derive(Debug, Clone, Copy)]
struct Known {
    members: u64,
    /// From the first user's coming …
    from: Timestamp,
    /// … until, if nobody is left, the last one's going.
    until: Timestamp,
}

/// An occurrence that is to be worked on.
#[derive(Debug, Clone)]
struct Waiting {
    at: Timestamp,
    group: Group,
    nominal: String,
    /// When its members were last asked for in vain.
    refused_at: Option<Timestamp>,
}

struct Done {
    ended: Ended,
    is_dated: bool,
    at: Timestamp,
    has_waited: bool,
}

impl Model {
    pub(crate) fn of(terms: Terms, began: Timestamp) -> Self {
        let defaults = vec![(Timestamp::MIN, vec![terms.defaults.clone()])];
        Self {
            terms,
            began,
            defaults,
            users: BTreeMap::new(),
            moves: BTreeMap::new(),
            groups: BTreeMap::new(),
            planned: BTreeSet::new(),
            waiting: Vec::new(),
            known: BTreeMap::new(),
            done: Vec::new(),
            missed: Vec::new(),
        }
    }

    /// A user's preference was written, or deleted, in effect from `from`.
    pub(crate) fn write(&mut self, tenant: &str, from: Timestamp, wanted: Option<Wanted>) {
        self.users.entry(tenant.into()).or_default().push(Standing { from, wanted });
        self.replay_moves();
    }

    /// The feature was given default preferences, in effect from `from`; they lie over the job's
    /// (T12).
    pub(crate) fn set_feature_defaults(&mut self, from: Timestamp, defaults: Stated) {
        self.defaults.push((from, vec![defaults, self.terms.defaults.clone()]));
        self.replay_moves();
    }

    /// Says anew in which group each user is when.
    fn replay_moves(&mut self) {
        self.moves.clear();
        for (tenant, standings) in &self.users {
            let mut moments: Vec<Timestamp> =
                standings.iter().map(|standing| standing.from).collect();
            moments.extend(self.defaults.iter().map(|(from, _)| *from));
            moments.sort();
            let mut moves = Vec::new();
            for at in moments {
                let wanted = standings
                    .iter()
                    .rfind(|standing| standing.from <= at)
                    .and_then(|standing| standing.wanted.as_ref());
                let (_, defaults) = self
                    .defaults
                    .iter()
                    .rfind(|(from, _)| *from <= at)
                    .expect("the first hold from the beginning");
                let asked = wanted
                    .filter(|wanted| !wanted.is_off)
                    .map(|wanted| wanted.stated.over(defaults));
                if let Some(asked) = asked {
                    self.groups.entry(asked.group()).or_insert_with(|| Calendar::of(asked));
                }
                moves.push((at, asked.map(|asked| asked.group())));
            }
            self.moves.insert(tenant.clone(), moves);
        }
    }

    /// What a user wants now; `None` if there is no preference.
    pub(crate) fn wanted(&self, tenant: &str) -> Option<&Wanted> {
        self.users.get(tenant)?.last()?.wanted.as_ref()
    }

    /// The name of a user's next occurrence after so many others.
    pub(crate) fn coming(&self, tenant: &str, now: Timestamp, others: usize) -> Option<String> {
        let group = self.moves.get(tenant)?.last()?.1.as_ref()?;
        self.groups[group].firings.range(now..).nth(others).map(|(_, nominal)| nominal.clone())
    }

    /// M1: whose preference put them into the group as of `at`.
    fn members(&self, group: &Group, at: Timestamp) -> Vec<&str> {
        let is_in = |moves: &[(Timestamp, Option<Group>)]| {
            moves
                .iter()
                .rfind(|(from, _)| *from <= at)
                .is_some_and(|(_, joined)| joined.as_ref() == Some(group))
        };
        self.moves
            .iter()
            .filter(|(_, moves)| is_in(moves))
            .map(|(tenant, _)| tenant.as_str())
            .collect()
    }

    fn size(&self, group: &Group, at: Timestamp) -> u64 {
        self.members(group, at).len() as u64
    }

    pub(crate) fn missed(&self) -> &[Missed] {
        &self.missed
    }

    /// What has ended, and of which users and dates no rule says which of two runs comes first: of
    /// those that had waited for the Config Database and became possible at once.
    pub(crate) fn ended(&self) -> (Vec<Ended>, BTreeSet<(String, String)>) {
        let ended = self.done.iter().map(|done| done.ended.clone()).collect();
        let key = |done: &Done| {
            (done.at, done.ended.tenant.clone(), date(&done.ended.nominal).to_owned())
        };
        let mut together: BTreeMap<_, Vec<&Done>> = BTreeMap::new();
        for done in &self.done {
            together.entry(key(done)).or_default().push(done);
        }
        let undecided = together
            .into_iter()
            .filter(|(_, done)| done.len() > 1 && done.iter().any(|done| done.has_waited));
        (ended, undecided.map(|((_, tenant, date), _)| (tenant, date)).collect())
    }
}

/// The date of a nominal time.
pub(crate) fn date(nominal: &str) -> &str {
    nominal.split('T').next().expect("a first part")
}
