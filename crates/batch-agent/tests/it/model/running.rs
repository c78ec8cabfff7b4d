//! What an agent is to do while it runs.

use jiff::{SignedDuration, Timestamp};

use super::{Done, Ended, Group, Known, Missed, Model, Waiting, date};
use crate::stated_preferences::Frequency;

impl Model {
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
        for moves in self.moves.values() {
            let is_in: Vec<bool> =
                moves.iter().map(|(_, joined)| joined.as_ref() == Some(group)).collect();
            comings.extend(
                moves.iter().zip(&is_in).filter(|(_, is_in)| **is_in).map(|((from, _), _)| *from),
            );
            let moves = moves.iter().skip(1).zip(is_in.windows(2));
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
                    self.miss(&occurrence, "members_unreadable", true);
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
}
