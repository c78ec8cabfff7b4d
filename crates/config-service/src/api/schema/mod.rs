//! The shapes of requests and answers, as JSON Schema 2020-12 for the `OpenAPI` document.
//!
//! Each route says beside its handler what its body and its answer look like; the vocabulary that
//! all of them share stands here. Shapes are put together by hand and not derived, so that the
//! vocabulary's crate knows nothing of HTTP and each shape says all that it promises. That answers
//! keep them is checked in the tests: every answer of every test is held against its shape.

mod preference;
mod shape;
mod vocabulary;

pub(super) use self::preference::preference_shapes;
pub(super) use self::shape::{
    Shape, Shapes, any_of, count, flag, integer, list_of, map_of, named, null, object, one_of, text,
};
pub(super) use self::vocabulary::vocabulary;
