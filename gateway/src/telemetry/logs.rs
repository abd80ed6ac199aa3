//! Logs: JSON lines off a terminal, readable ones on it.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt};

/// Log format and filter.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogsArgs {
    /// `json` or `pretty`; unset: pretty on a terminal, else JSON.
    #[arg(long, env = "LOG_FORMAT", global = true)]
    log_format: Option<LogFormat>,
    /// Filter directives, as in `info,roomwire_gateway=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    rust_log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    Json,
    Pretty,
}

/// Libraries that write what they carry when they are asked for details: texts and tokens. Whatever
/// the filter says, these details stay off.
const QUIET: [&str; 7] = [
    "tungstenite=info",
    "tokio_tungstenite=info",
    "hyper=info",
    "fred=info",
    "sqlx=info",
    // Says which parameter of the database's URL it does not know, with its value.
    "sqlx_postgres::options::parse=off",
    "h2=info",
];

/// Starts logging to standard error. A second call changes nothing.
pub(crate) fn start_logs(args: &LogsArgs) {
    let mut filter = EnvFilter::try_new(&args.rust_log).unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in QUIET {
        // These are valid, and a filter without one of them still filters.
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let pretty = match args.log_format {
        Some(format) => format == LogFormat::Pretty,
        None => stderr().is_terminal(),
    };
    let builder = fmt().with_env_filter(filter).with_writer(stderr);
    let started = if pretty {
        builder.try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
