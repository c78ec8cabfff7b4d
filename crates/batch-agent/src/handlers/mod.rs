//! The handlers that need no program of the user's own: `template` and `http`.

mod http;
mod public_address;
mod signature;
mod template;

pub use http::{HttpHandler, HttpHandlerError};
pub use signature::{SecretError, SigningSecret};
pub use template::{TemplateHandler, TemplateHandlerError};
