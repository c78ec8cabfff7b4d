//! What the rules promise, as plainly as it can be said: everything that was written is kept, and
//! each question is answered by looking through all of it. Nothing here is shared with the agent;
//! the calendar is the oracle's.
//!
//! The model knows nothing of agents, claims or marks: an agent that dies changes nothing, and time
//! that passes while none runs, or by a jump of the clock, is downtime (F1, F2). It is told what is
//! written and when somebody runs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use crate::oracle::{DAY, LocalClock};
use crate::stated_preferences::{Asked, Frequency, Stated};

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
    stays: BTreeMap<String, Vec<(Timestamp, Option<Group>)>>,
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

/// When a group fires in the months of the test.
struct Calendar {
    asked: Asked,
    firings: BTreeMap<Timestamp, String>,
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
            stays: BTreeMap::new(),
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
        self.settle();
    }

    /// The feature was given default preferences, in effect from `from`; they lie over the job's
    /// (T12).
    pub(crate) fn set_feature_defaults(&mut self, from: Timestamp, defaults: Stated) {
        self.defaults.push((from, vec![defaults, self.terms.defaults.clone()]));
        self.settle();
    }

    /// Says anew in which group each user is when.
    fn settle(&mut self) {
        self.stays.clear();
        for (tenant, standings) in &self.users {
            let mut moments: Vec<Timestamp> =
                standings.iter().map(|standing| standing.from).collect();
            moments.extend(self.defaults.iter().map(|(from, _)| *from));
            moments.sort();
            let mut stays = Vec::new();
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
                stays.push((at, asked.map(|asked| asked.group())));
            }
            self.stays.insert(tenant.clone(), stays);
        }
    }

    /// What a user wants now; `None` if there is no preference.
    pub(crate) fn wanted(&self, tenant: &str) -> Option<&Wanted> {
        self.users.get(tenant)?.last()?.wanted.as_ref()
    }

    /// The name of a user's next occurrence after so many others.
    pub(crate) fn coming(&self, tenant: &str, now: Timestamp, others: usize) -> Option<String> {
        let group = self.stays.get(tenant)?.last()?.1.as_ref()?;
        self.groups[group].firings.range(now..).nth(others).map(|(_, nominal)| nominal.clone())
    }

    /// M1: whose preference put them into the group as of `at`.
    fn members(&self, group: &Group, at: Timestamp) -> Vec<&str> {
        let is_in = |stays: &[(Timestamp, Option<Group>)]| {
            stays
                .iter()
                .rfind(|(from, _)| *from <= at)
                .is_some_and(|(_, stay)| stay.as_ref() == Some(group))
        };
        self.stays
            .iter()
            .filter(|(_, stays)| is_in(stays))
            .map(|(tenant, _)| tenant.as_str())
            .collect()
    }

    fn size(&self, group: &Group, at: Timestamp) -> u64 {
        self.members(group, at).len() as u64
    }

    /// An agent runs from `from` to `until`; `is_away` says that the Config Database cannot be
    /// asked meanwhile.
    pub(crate) fn run(&mut self, from: Timestamp, until: Timestamp, is_away: bool) {
        if !is_away {
            self.listen();
        }
        self.catch_up(from, is_away);
        self.work(from, is_away);
        let mut on_time = Vec::new();
        for (group, known) in &self.known {
            on_time.extend(self.firings(group, from.max(known.from), until.min(known.until)));
        }
        on_time.sort_by_key(|occurrence| occurrence.at);
        for occurrence in on_time {
            let at = occurrence.at;
            self.open(occurrence);
            self.work(at, is_away);
        }
        self.work(until, is_away);
    }

    /// The agent reads the groups as they are now.
    fn listen(&mut self) {
        self.known =
            self.groups.keys().map(|group| (group.clone(), self.known_now(group))).collect();
    }

    fn known_now(&self, group: &Group) -> Known {
        let (mut comings, mut goings) = (Vec::new(), Vec::new());
        for stays in self.stays.values() {
            let is_in: Vec<bool> =
                stays.iter().map(|(_, stay)| stay.as_ref() == Some(group)).collect();
            comings.extend(
                stays.iter().zip(&is_in).filter(|(_, is_in)| **is_in).map(|((from, _), _)| *from),
            );
            let moves = stays.iter().skip(1).zip(is_in.windows(2));
            goings.extend(
                moves.filter(|(_, is_in)| **is_in == [true, false]).map(|((from, _), _)| *from),
            );
        }
        let members = self.size(group, Timestamp::MAX);
        let until = if members > 0 { None } else { goings.into_iter().max() };
        Known {
            members,
            from: comings.into_iter().min().unwrap_or(Timestamp::MAX),
            until: until.unwrap_or(Timestamp::MAX),
        }
    }

    /// The occurrences in `(after, until]`.
    fn firings(&self, group: &Group, after: Timestamp, until: Timestamp) -> Vec<Waiting> {
        let waiting = |(at, nominal): (&Timestamp, &String)| Waiting {
            at: *at,
            group: group.clone(),
            nominal: nominal.clone(),
            refused_at: None,
        };
        let from_there = self.groups[group].firings.range(after..).filter(|(at, _)| **at > after);
        from_there.take_while(|(at, _)| **at <= until).map(waiting).collect()
    }

    /// An occurrence is opened once, whatever the clock does (F2, F3).
    fn open(&mut self, occurrence: Waiting) {
        if self.planned.insert((occurrence.group.clone(), occurrence.nominal.clone())) {
            self.waiting.push(occurrence);
        }
    }

    /// What each group has missed by now is fired or missed (F1).
    fn catch_up(&mut self, now: Timestamp, is_away: bool) {
        for (group, known) in self.known.clone() {
            let mut due = self.firings(&group, known.from.max(self.began), known.until.min(now));
            due.retain(|occurrence| {
                !self.planned.contains(&(group.clone(), occurrence.nominal.clone()))
            });
            let count = due.len();
            for (index, occurrence) in due.into_iter().enumerate() {
                match self.refusal(&occurrence, count - index, now) {
                    None => self.open(occurrence),
                    Some(reason) => {
                        self.planned.insert((group.clone(), occurrence.nominal.clone()));
                        self.miss(&occurrence, reason, is_away);
                    }
                }
            }
        }
    }

    /// Why an occurrence, the `rank`th from the last of those missed, is not fired (F1).
    fn refusal(&self, occurrence: &Waiting, rank: usize, now: Timestamp) -> Option<&'static str> {
        let is_late = now > occurrence.at + self.window(&occurrence.group);
        match self.terms.misfire {
            "skip" => Some("misfire_skip"),
            "all" => (rank > 100).then_some("misfire_limit"),
            _ => (rank > 1 || is_late).then_some("downtime"),
        }
    }

    fn window(&self, group: &Group) -> SignedDuration {
        let of_frequency = match self.groups[group].asked.frequency {
            Frequency::Hourly => SignedDuration::from_mins(30),
            Frequency::Daily
            | Frequency::CronWild
            | Frequency::CronSteps
            | Frequency::CronFixed => SignedDuration::from_hours(12),
            Frequency::Weekly | Frequency::Biweekly => SignedDuration::from_hours(24),
            Frequency::Monthly => SignedDuration::from_hours(72),
        };
        self.terms.catchup_window.unwrap_or(of_frequency)
    }

    fn miss(&mut self, occurrence: &Waiting, reason: &str, is_away: bool) {
        let Waiting { at, group, nominal, .. } = occurrence.clone();
        // Of a group in which nobody is known to be, it is asked as soon as it can be.
        let known = self.known[&group].members;
        let members = if is_away && known > 0 { known } else { self.size(&group, at) };
        if members > 0 {
            self.missed.push(Missed { group, nominal, reason: reason.into(), members });
        }
    }

    /// Works on what waits, oldest first. While the members cannot be read it goes on waiting, to
    /// the end of its catch-up window (F4).
    fn work(&mut self, now: Timestamp, is_away: bool) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|occurrence| occurrence.at);
        for occurrence in waiting {
            // What was refused is asked for again a moment later, not at once.
            let is_due =
                occurrence.refused_at.map_or(occurrence.at <= now, |refused_at| refused_at < now);
            match is_due {
                true if !is_away => self.process(&occurrence, now),
                true if now > occurrence.at + self.window(&occurrence.group) => {
                    self.miss(&occurrence, "members_unreadable", true)
                }
                true => self.waiting.push(Waiting { refused_at: Some(now), ..occurrence }),
                false => self.waiting.push(occurrence),
            }
        }
    }

    /// Every member of the occurrence ends (M1), with the preference of now (M3).
    fn process(&mut self, occurrence: &Waiting, now: Timestamp) {
        let asked = self.groups[&occurrence.group].asked;
        let (zone, is_dated, has_waited) =
            (asked.zone.to_owned(), asked.frequency.is_dated(), occurrence.refused_at.is_some());
        let tenants: Vec<String> =
            self.members(&occurrence.group, occurrence.at).into_iter().map(str::to_owned).collect();
        for tenant in tenants {
            let objection = self.objection(&tenant, occurrence);
            let objection = objection.or_else(|| {
                (is_dated && self.has_run(&tenant, &occurrence.nominal)).then_some("already_ran")
            });
            let (status, version) = match objection {
                Some(reason) => (format!("skipped({reason})"), None),
                None => ("succeeded".into(), Some(self.users[&tenant].len() as u64)),
            };
            let ended = Ended {
                tenant,
                nominal: occurrence.nominal.clone(),
                zone: zone.clone(),
                status,
                version,
            };
            self.done.push(Done { ended, is_dated, at: now, has_waited });
        }
    }

    /// What the user has said since (M2).
    fn objection(&self, tenant: &str, occurrence: &Waiting) -> Option<&'static str> {
        match self.wanted(tenant) {
            None => Some("deleted"),
            Some(wanted) if wanted.is_off => Some("disabled"),
            Some(wanted) if wanted.snoozed_until.is_some_and(|until| occurrence.at < until) => {
                Some("snoozed")
            }
            Some(wanted) if wanted.skip_next.as_ref() == Some(&occurrence.nominal) => {
                Some("skipped_by_user")
            }
            Some(_) => None,
        }
    }

    /// Whether the job has run the user on this date already (M6).
    fn has_run(&self, tenant: &str, nominal: &str) -> bool {
        let counts = |done: &&Done| done.is_dated && done.ended.status == "succeeded";
        let on_date =
            |done: &Done| done.ended.tenant == tenant && date(&done.ended.nominal) == date(nominal);
        self.terms.once_per == "day" && self.done.iter().filter(counts).any(on_date)
    }

    pub(crate) fn missed(&self) -> &[Missed] {
        &self.missed
    }

    /// What has ended, and of which users and dates no rule says which of two runs comes first: of
    /// those that had waited for the Config Database and became possible at once.
    pub(crate) fn ended(&self) -> (Vec<Ended>, BTreeSet<(String, String)>) {
        let ended = self.done.iter().map(|done| done.ended.clone()).collect();
        let place = |done: &Done| {
            (done.at, done.ended.tenant.clone(), date(&done.ended.nominal).to_owned())
        };
        let mut together: BTreeMap<_, Vec<&Done>> = BTreeMap::new();
        for done in &self.done {
            together.entry(place(done)).or_default().push(done);
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

thread_local! {
    /// Calendars are the same for every life.
    static CALENDARS: RefCell<BTreeMap<Group,
    Rc<Calendar>>> = const { RefCell::new(BTreeMap::new()) };
}

impl Calendar {
    /// All firings from the day before the test's first to months behind its last.
    fn of(asked: Asked) -> Rc<Self> {
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
                .occurrences(&asked.wish())
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
