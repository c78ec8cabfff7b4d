//! The handlers that need no program of the user's own: `template` and `http`.

#[cfg(feature = "http")]
mod answer;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "http", feature = "template"))]
mod own_fault;
#[cfg(feature = "http")]
mod public_address;
#[cfg(feature = "http")]
mod signature;
#[cfg(feature = "template")]
mod template;

#[cfg(feature = "http")]
pub use http::{HttpHandler, HttpHandlerError};
#[cfg(feature = "http")]
pub use signature::{SecretError, SigningSecret};
#[cfg(feature = "template")]
pub use template::{TemplateHandler, TemplateHandlerError};
