//! The address of a repository, in restic's notation.

use super::keys::Flaw;

/// The address of a repository on S3, as restic reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    /// Scheme and host: `https://s3.example.com`, which restic assumes where no scheme is written.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The prefix of every key in the bucket, without leading and trailing slash; may be empty.
    pub prefix: String,
}

impl S3Address {
    /// Parses `s3:host/bucket/prefix` or `s3:https://host/bucket/prefix`; `None` where the text is not the address of a
    /// bucket, or contains a password.
    pub fn parse(repository: &str) -> Option<Self> {
        let address = repository.strip_prefix("s3:")?;
        let (scheme, location) = match address.split_once("://") {
            Some((scheme @ ("http" | "https"), location)) => (scheme, location),
            Some(_) => return None,
            None => ("https", address.trim_start_matches('/')),
        };
        let (host, path) = location.split_once('/')?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let is_plain = !host.is_empty() && !host.contains('@') && !bucket.is_empty();
        is_plain.then(|| S3Address {
            endpoint: format!("{scheme}://{host}"),
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

/// The address of the repository at `path` below the base. A base from a file often ends in a line break or a slash,
/// and restic cleans the path of a repository. Without the same cleaning, policy and mover would use different
/// repositories.
///
/// The notations are those of restic: an address and a path for `s3` and `rest`, a container, a colon and a path for
/// `azure`, `b2`, `gs`, `rclone` and `swift`. A bare path is refused: a mover has nothing there but its own image. So
/// are addresses of which restic would take another part for the host or the bucket, and those with a password in them,
/// which restic writes into its log.
pub(crate) fn join(base: &[u8], path: &str) -> Result<String, Flaw> {
    let base = std::str::from_utf8(base).map_err(|_| Flaw::Malformed)?.trim().trim_end_matches('/');
    if base.is_empty() {
        return Err(Flaw::Empty);
    }
    let (scheme, location) = base.split_once(':').unwrap_or(("", base));
    let separator = match scheme {
        "s3" | "rest" | "sftp" => "/",
        "azure" | "b2" | "gs" | "swift" if !location.contains(':') => ":",
        "azure" | "b2" | "gs" | "swift" | "rclone" if location.contains(':') => "/",
        _ => return Err(Flaw::Malformed),
    };
    let address = location.strip_prefix("http://").or_else(|| location.strip_prefix("https://")).unwrap_or(location);
    let is_container = matches!(scheme, "azure" | "b2" | "gs" | "swift");
    let (container, folder) = location.split_once(':').filter(|_| is_container).unwrap_or(("", address));
    // A leading slash is that of a path in a container, never of a host.
    let folder = if is_container { folder.trim_start_matches('/') } else { folder };
    let mut segments = folder.split('/');
    let is_clean = folder.is_empty() && is_container || segments.clone().all(|it| !matches!(it, "" | "." | ".."));
    let has_bucket = scheme != "s3" || segments.nth(1).is_some();
    let has_host = scheme != "s3" || folder.split('/').next().is_some_and(is_host);
    let is_bucket = if is_container && container.is_empty() { location } else { container };
    let is_plain = !base.chars().any(|c| c.is_control() || c.is_whitespace() || "?#%".contains(c));
    let is_repository = is_clean && has_bucket && has_host && !is_bucket.contains('/') && is_plain;
    // A path directly after the colon of a container needs no slash.
    let separator = if base.ends_with(':') { "" } else { separator };
    is_repository.then(|| format!("{base}{separator}{path}")).ok_or(Flaw::Malformed)
}

/// A host, and perhaps a port; no password.
fn is_host(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').filter(|_| !text.ends_with(']')).unwrap_or((text, "0"));
    !host.contains('@') && !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(base: &str) -> Option<String> {
        join(base.as_bytes(), "shop/data").ok()
    }

    #[test]
    fn the_claims_repository_stands_below_the_base_however_that_ends() {
        for base in
            ["s3:http://s3.local:9000/bucket", "s3:http://s3.local:9000/bucket/", " s3:http://s3.local:9000/bucket//\n"]
        {
            assert_eq!(repository(base).as_deref(), Some("s3:http://s3.local:9000/bucket/shop/data"));
        }
        assert_eq!(repository("s3:s3.local/bucket/deep/er").as_deref(), Some("s3:s3.local/bucket/deep/er/shop/data"));
        // The notations of restic's manual for its backends.
        for (base, joined) in [
            ("b2:bucket", "b2:bucket:shop/data"),
            ("b2:bucket:deep", "b2:bucket:deep/shop/data"),
            ("gs:bucket:/", "gs:bucket:shop/data"),
            ("azure:container:/deep/", "azure:container:/deep/shop/data"),
            ("swift:container:/deep", "swift:container:/deep/shop/data"),
            ("rclone:remote:deep", "rclone:remote:deep/shop/data"),
            ("rest:https://host:8000/deep/", "rest:https://host:8000/deep/shop/data"),
            ("s3:http://[::1]:9000/bucket", "s3:http://[::1]:9000/bucket/shop/data"),
            ("s3:http://[::1]/bucket", "s3:http://[::1]/bucket/shop/data"),
        ] {
            assert_eq!(repository(base).as_deref(), Some(joined));
        }
    }

    #[test]
    fn a_base_that_restic_would_read_as_another_is_refused() {
        let refused = [
            "",
            "/",
            "s3:",
            "s3:http://",
            "s3:http://s3.local",
            "s3:http://s3.local/",
            "s3:https://s3.local/a//b",
            "s3:https://s3.local/../b",
            "s3:https://s3.local/b/.",
            "s3:https://s3.local/b c",
            "s3:https://s3.local/b\nc",
            "s3:https://s3.local/b?x=1",
            "s3:https://s3.local/b#x",
            "bucket",
            "s3.local/bucket",
            "http://s3.local/bucket",
            "S3:https://s3.local/bucket",
            "rclone:remote",
            "/srv/restic",
            "s3://bucket/deep",
            "s3:http:/s3.local/bucket",
            "s3:https://key:secret@s3.local/bucket",
            "s3:https://s3.local/bucket%2Fdeep",
            "b2:bucket/deep",
            "gs:bucket/deep:x",
        ];
        for base in refused {
            assert_eq!(repository(base), None, "{base:?}");
        }
    }

    #[test]
    fn an_address_names_endpoint_bucket_and_prefix() {
        let read = |repository: &str| {
            S3Address::parse(repository).map(|it| format!("{} {} {}", it.endpoint, it.bucket, it.prefix))
        };
        for (repository, parts) in [
            ("s3:http://s3.local:9000/backups/shop/data", "http://s3.local:9000 backups shop/data"),
            ("s3:s3.local/backups", "https://s3.local backups "),
            ("s3:https://s3.local/backups/", "https://s3.local backups "),
        ] {
            assert_eq!(read(repository).as_deref(), Some(parts));
        }
        for repository in ["rest:http://h/b", "s3:http://h", "s3:http://h/", "s3:ftp://h/b", "s3:http://k:s@h/b", "s3:"]
        {
            assert_eq!(read(repository), None, "{repository}");
        }
    }
}
