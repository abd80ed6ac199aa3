//! Amounts as Kubernetes writes them: `250m`, `64Mi`.

/// What each suffix stands for, in thousandths.
const SUFFIXES: [(&str, u64); 6] = [
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("m", 1),
    ("", 1_000),
];

/// An amount in thousandths; none if it cannot be read.
pub(crate) fn thousandths(text: &str) -> Option<u64> {
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let number: u64 = text.strip_suffix(suffix)?.parse().ok()?;
    number.checked_mul(*factor)
}

#[test]
fn amounts_are_read_as_kubernetes_reads_them() {
    assert_eq!(thousandths("2"), Some(2_000));
    assert_eq!(thousandths("250m"), Some(250));
    assert_eq!(thousandths("1Ki"), Some(1_024_000));
    assert!(thousandths("1Gi") > thousandths("1023Mi"));
    assert_eq!(thousandths("lots"), None);
}
