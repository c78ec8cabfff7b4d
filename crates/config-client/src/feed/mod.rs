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
//! * The cursor moves with whole pages only. What breaks off in the middle is read again from the
//!   page's beginning, so that nothing is lost and nothing is given out that was cut.
//! * Events are pushed with a heartbeat. Where none comes, the connection is taken for dead
//!   although it stands.
//! * After each failure the feed is polled once, and events are tried again after a pause. Pauses
//!   grow up to the poll interval while polling works, so that where events never get through, as
//!   behind a proxy that buffers, it is polled at that interval; and up to five seconds while
//!   nothing works.
//! * 401, 403 and a cursor that the Config Database cannot read end the stream: a service that has
//!   said no is not asked again and again.
//! * A page whose positions run backwards does not belong to this feed and is refused.
//!
//! Tenants named in what is read are dropped from the cache.

mod event;
mod events;
mod follower;
mod order;
mod poll;

pub use self::event::FeedEvent;
