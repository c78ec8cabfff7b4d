//! The address of a Config Database.

use reqwest::Url;

use crate::error::ClientError;

/// Reads the base of all addresses: one without query, fragment or password, and without a slash at
/// its end.
pub(crate) fn read_address(given: &str) -> Result<Url, ClientError> {
    let mut url =
        Url::parse(given).map_err(|_no_url| ClientError::Address { given: given.into() })?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(ClientError::Address { given: String::new() });
    }
    if !matches!(url.scheme(), "http" | "https")
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(ClientError::Address { given: given.into() });
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_is_http_without_query_or_password() {
        for good in [
            "http://config-service:8000/api/v1",
            "https://example.com/api/v1/",
            "http://[::1]:8000",
        ] {
            assert!(read_address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "config-service:8000",
            "ftp://x/api/v1",
            "http://x/api/v1?a=b",
            "http://u:p@x/api/v1",
        ] {
            assert!(read_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated_in_the_error() {
        let error = read_address("http://user:hunter2@x/api/v1").expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
