//! Lists that come in pages.

use serde_json::Value;

use super::client::Endpoint;
use super::request::query;

/// How a kind of list names its items and its pages.
#[derive(Clone, Copy)]
pub(crate) struct List {
    /// The field of an answer that holds the items.
    pub(crate) items: &'static str,
    /// The query parameter that asks for another page than the first.
    pub(crate) cursor: &'static str,
    /// The field of an answer that holds the value of `cursor` for the next page.
    pub(crate) next: &'static str,
    /// The most items that a page holds.
    pub(crate) page: usize,
}

/// A list of a service, at a path and with these query parameters.
pub(crate) struct Pages<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) list: List,
    pub(crate) path: String,
    pub(crate) parameters: Vec<(&'static str, Option<String>)>,
}

impl List {
    /// The runs, newest first.
    pub(crate) const RUNS: Self =
        Self { items: "runs", cursor: "before", next: "next_before", page: 1_000 };

    /// Returns a list whose pages go on from a cursor.
    pub(crate) const fn by_cursor(items: &'static str, page: usize) -> Self {
        Self { items, cursor: "cursor", next: "next_cursor", page }
    }
}

impl Pages<'_> {
    /// Calls `each` with every item, at most `most` of them; returns whether there are more.
    pub(crate) async fn each(
        &self,
        most: usize,
        mut each: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let (mut left, mut cursor) = (most, None);
        while left > 0 {
            let mut page = self.read(left, cursor).await?;
            let items: Vec<Value> = serde_json::from_value(page[self.list.items].take())?;
            for item in items.into_iter().take(left) {
                each(item)?;
                left -= 1;
            }
            cursor = cursor_of(&page[self.list.next]);
            if cursor.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the items, at most `most` of them.
    pub(crate) async fn collect(&self, most: usize) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        self.each(most, |item| {
            items.push(item);
            Ok(())
        })
        .await?;
        Ok(items)
    }

    async fn read(&self, left: usize, cursor: Option<String>) -> anyhow::Result<Value> {
        let of_page =
            [(self.list.cursor, cursor), ("limit", Some(left.min(self.list.page).to_string()))];
        let parameters = self.parameters.iter().cloned().chain(of_page);
        self.endpoint.get_json(&query(&self.path, parameters)).await
    }
}

/// Returns the cursor that a page ends with, as text; `None` at the end of the list.
fn cursor_of(next: &Value) -> Option<String> {
    match next {
        Value::Null => None,
        Value::String(cursor) => Some(cursor.clone()),
        number => Some(number.to_string()),
    }
}
