//! All preferences, as an import reads them.

use std::io::Write;

use anyhow::Context;
use cohort_preferences::FEATURE_PREFERENCES;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::csv_rows::CsvRows;
use super::target::{Target, write_line};
use crate::commands::import::Format;
use crate::endpoint::Endpoint;
use crate::output::Output;

/// What an export of preferences does not have.
const LEFT_OUT: &str = "not in an export: tenants' own time zones and labels, keys, history; \
    `cohort backup` has everything";

/// One tenant's document, as the service sends it.
#[derive(Deserialize, Serialize)]
struct Document {
    tenant_id: String,
    config_key: String,
    config_value: Map<String, Value>,
}

/// What was written.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    tenants: u64,
    preferences: u64,
    left_out: u64,
}

/// Where preferences are written, and in which form.
enum Writer<W: Write> {
    /// One line a user.
    Documents(W),
    /// One line a user, for one feature.
    Preferences(W),
    /// One row a user and feature.
    Csv(Box<CsvRows<W>>),
}

/// Writes all preferences, or those for one feature.
pub(super) async fn export(
    endpoint: &Endpoint,
    target: &Target,
    format: Format,
    feature: Option<&str>,
    output: Output,
) -> anyhow::Result<()> {
    let path = format!("/configs/{FEATURE_PREFERENCES}/all-tenants");
    let mut documents = endpoint.get_lines(&path).await?;
    let mut writer = Writer::of(target.open()?, format, feature.is_some())?;
    let (mut summary, progress) = (Summary::default(), target.progress("users"));
    while let Some(line) = documents.next_line().await.context("the answer broke off")? {
        let mut document: Document =
            serde_json::from_str(&line).context("the answer is no list of documents")?;
        if let Some(feature) = feature {
            document.config_value.retain(|name, _| name == feature);
        }
        writer.write(document, &mut summary)?;
        progress.set(summary.tenants);
    }
    writer.finish()?;
    progress.finish();
    target.keep()?;
    if output == Output::Text {
        eprintln!("{LEFT_OUT}");
    }
    summary.print(target, output)
}

impl<W: Write> Writer<W> {
    fn of(target: W, format: Format, is_one_feature: bool) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(CsvRows::begin(target)?)),
            Format::Jsonl if is_one_feature => Self::Preferences(target),
            Format::Jsonl => Self::Documents(target),
        })
    }

    fn write(&mut self, document: Document, summary: &mut Summary) -> anyhow::Result<()> {
        if document.config_value.is_empty() {
            return Ok(());
        }
        summary.tenants += 1;
        if let Self::Documents(target) = self {
            summary.preferences += document.config_value.len() as u64;
            return write_line(target, &document);
        }
        for (feature, preference) in &document.config_value {
            if self.write_one(&document.tenant_id, feature, preference)? {
                summary.preferences += 1;
            } else {
                summary.left_out += 1;
            }
        }
        Ok(())
    }

    /// Writes a preference on its own; returns whether that was possible.
    fn write_one(
        &mut self,
        tenant: &str,
        feature: &str,
        preference: &Value,
    ) -> anyhow::Result<bool> {
        match self {
            Self::Csv(rows) => rows.write(tenant, feature, preference),
            Self::Documents(target) | Self::Preferences(target) => {
                write_line(
                    target,
                    &json!({"tenant_id": tenant, "feature_type": feature,
                        "preference": preference}),
                )?;
                Ok(true)
            }
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(rows) => rows.finish(),
            Self::Documents(mut target) | Self::Preferences(mut target) => Ok(target.flush()?),
        }
    }
}

impl Summary {
    /// Prints the counts, and fails if a preference was left out.
    fn print(&self, target: &Target, output: Output) -> anyhow::Result<()> {
        let Self { tenants, preferences, left_out } = self;
        let text = format!("{tenants} users, {preferences} preferences");
        target.print_summary(output, self, text)?;
        anyhow::ensure!(
            *left_out == 0,
            "{left_out} preferences were left out: CSV has no column for what they say; jsonl has"
        );
        Ok(())
    }
}
