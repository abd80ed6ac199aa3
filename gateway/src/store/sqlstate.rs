//! What the error codes of Postgres mean for a caller and for the connection that got one
//! (PostgreSQL manual, appendix A).

/// A transaction that may not write: a standby, or a primary that was demoted or set read-only.
const READ_ONLY: &str = "25006";
/// A table that is not there.
pub(super) const UNDEFINED_TABLE: &str = "42P01";
/// Whoever holds a lock was waited for long enough.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// After these a transaction may have been committed all the same: a connection that broke, a server that went
/// away while it waited for a standby, and what says so by its name (`statement_completion_unknown`).
const UNKNOWN_CLASSES: [&str; 3] = ["08", "57P", "40003"];

/// Classes that mean "not now": connection, wrong credentials (which are being rotated), rolled
/// back, out of resources, objects in use, in the wrong state or locked, intervention by an
/// operator, failures of the system around it.
const NOT_NOW_CLASSES: [&str; 8] = ["08", "28", "40", "53", "55", "57", "58", "72"];
/// The same for single codes: read-only; a failed transaction or its timeout; a prepared statement
/// that a pooler lost, doubled or outdated; a database, schema, table, column, function or
/// permission that is not there (yet), as while a database is made, migrated or restored; and what
/// the server itself calls an internal error.
const NOT_NOW: [&str; 13] = [
    READ_ONLY,
    "25P02",
    "25P03",
    "26000",
    "42P05",
    "0A000",
    "3D000",
    "3F000",
    UNDEFINED_TABLE,
    "42703",
    "42883",
    "42501",
    "XX000",
];
/// Codes after which the same connection fails again: it cannot write, its server is going away, or
/// what it has prepared or begun is spoilt.
const SPOILING: [&str; 5] = [READ_ONLY, "25P02", "26000", "42P05", "0A000"];
const SPOILING_CLASSES: [&str; 3] = ["08", "28", "57P"];

/// Trying again later may help: the fault lies in the state of the database, not in the statement.
pub(super) fn means_not_now(code: &str) -> bool {
    NOT_NOW.contains(&code) || NOT_NOW_CLASSES.iter().any(|class| code.starts_with(class))
}

/// The connection must not be used again.
pub(super) fn spoils_connection(code: &str) -> bool {
    SPOILING.contains(&code) || SPOILING_CLASSES.iter().any(|class| code.starts_with(class))
}

/// Nobody can tell from this whether the transaction was committed.
pub(super) fn leaves_unknown(code: &str) -> bool {
    UNKNOWN_CLASSES.iter().any(|class| code.starts_with(class))
}

/// The server does not take writes.
pub(super) fn cannot_write(code: &str) -> bool {
    code == READ_ONLY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_statement_is_not_blamed_on_the_moment() {
        for code in ["42601", "23505", "22P02", "22021", "P0001", "21000"] {
            assert!(!means_not_now(code), "{code}");
        }
    }

    #[test]
    fn what_passes_is_worth_another_try() {
        for code in [
            "28P01", "28000", "55000", "55006", "55P03", "57P01", "57014", "25006", "40001",
            "40P01", "53300", "58030", "08006", "3D000",
        ] {
            assert!(means_not_now(code), "{code}");
        }
    }

    #[test]
    fn a_statement_that_was_cancelled_does_not_spoil_its_connection() {
        assert!(!spoils_connection("57014"));
        assert!(!spoils_connection("40001"));
        for code in ["25006", "57P01", "57P03", "08006", "26000"] {
            assert!(spoils_connection(code), "{code}");
        }
    }
}
