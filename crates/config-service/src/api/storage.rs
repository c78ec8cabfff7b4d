//! How much room the database takes (F13).

use axum::Json;
use axum::extract::State;
use cohort_database::DiskUsage;

use super::error::ApiError;
use super::schema::{Shapes, count, object};
use crate::service::ConfigService;

/// Tells how much room the database takes
///
/// And how much is left on its disk, if that can be seen: a file's can, a server's cannot.
#[utoipa::path(get, path = "/storage/preferences", tag = "Service",
    operation_id = "show_storage",
    responses((status = 200, description = "The room that is taken, and what is left",
        body = ref("#/components/schemas/DiskUsage"))))]
pub(super) async fn show(
    State(service): State<ConfigService>,
) -> Result<Json<DiskUsage>, ApiError> {
    Ok(Json(service.disk_usage().await?))
}

/// Returns the shape of the answer.
pub(super) fn shapes() -> Shapes {
    let disk = object()
        .field("free_bytes", count().described("What the process may still use"))
        .field("total_bytes", count());
    let log_bytes = count().described("SQLite's write-ahead log; null on PostgreSQL");
    let usage = object()
        .field("database_bytes", count())
        .field("log_bytes", log_bytes.or_null())
        .field("disk", disk.described("null on PostgreSQL").or_null());
    vec![("DiskUsage", usage)]
}
