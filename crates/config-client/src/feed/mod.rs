//! The change feed: one page of it, or followed for good (F7, F8).
//!
//! ```text
//!              ┌──────────── a page ────────────┐
//!              ▼                                │
//! connect ─► events are pushed ────────────────┘
//!    ▲          │ broken, silent, refused, garbage          410, or the event `gone`
//!    │          ▼                                                   │
//!    └─ pause ◄─ poll to the end                                    ▼
//!                                                    a new cursor, then "resynchronise"
//! ```
//!
//! * The place in the feed moves with whole pages only: what breaks off in the middle is read again
//!   from the page's beginning, so that nothing is lost and nothing is given out that was cut.
//! * Events are pushed with a heartbeat. Where none comes, the connection is taken for dead
//!   although it stands.
//! * After each failure the feed is polled once, and events are tried again after a pause. Pauses
//!   grow up to the poll interval while polling works, so that where events never get through, as
//!   behind a proxy that buffers, it is polled at that interval; and up to five seconds while
//!   nothing works.
//! * 401, 403 and a cursor that the Config Database cannot read end it: nobody is asked again and
//!   again who has said no.
//! * A page whose positions run backwards is no page of this feed and is not believed.
//!
//! Whatever is read has the tenants named in it dropped from the cache.

mod event;
mod events;
mod follower;
pub(crate) mod options;
mod order;
mod poll;

pub use self::event::FeedEvent;
