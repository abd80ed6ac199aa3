//! Runs scripts on all servers and holds what they were told against each other.

use std::fmt::Write as _;
use std::pin::Pin;

use crate::differences::DIFFERENCES;
use crate::servers::{OnNode, Ours, Times, UNHURRIED, socketioxide};
use crate::talk::Talk;

/// What a client does.
pub(crate) type Acts = for<'a> fn(&'a mut Talk) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A script with its name.
pub(crate) type Script = (&'static str, Acts);

/// The servers that ours is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    OnNode,
    Socketioxide,
}

/// Makes a script of an async function.
macro_rules! script {
    ($name:ident) => {
        (
            stringify!($name),
            (|talk| Box::pin($name(talk))) as $crate::compared::Acts,
        )
    };
}
pub(crate) use script;

/// Runs the scripts over both versions of Engine.IO. Every difference must be among those that are known,
/// and each of those must still be there.
pub(crate) async fn compare(
    path: &str,
    scripts: &[Script],
    times: Times,
    references: &[Reference],
) {
    let ours = Ours::start(times).await;
    let mut unlike = String::new();
    for reference in references {
        let (url, _node) = match reference {
            Reference::OnNode => {
                let Some(node) = OnNode::start(times).await else {
                    continue;
                };
                (node.url().to_owned(), Some(node))
            }
            Reference::Socketioxide => (socketioxide(times).await, None),
        };
        for (name, acts) in scripts {
            for eio in [3, 4] {
                let mine = transcript(ours.url(), path, (eio, *acts), times);
                let theirs = transcript(&url, path, (eio, *acts), times);
                let (mine, theirs) = tokio::join!(mine, theirs);
                let known = DIFFERENCES
                    .iter()
                    .any(|one| (one.0, one.1) == (*reference, *name) && one.2.contains(&eio));
                if known != (mine != theirs) {
                    writeln!(
                        unlike,
                        "{name}, version {eio}, {reference:?} (known: {known}):"
                    )
                    .unwrap();
                    writeln!(unlike, "  ours   {mine:#?}\n  theirs {theirs:#?}").unwrap();
                }
            }
        }
    }
    assert!(unlike.is_empty(), "{unlike}");
}

async fn transcript(url: &str, path: &str, (eio, acts): (u8, Acts), times: Times) -> Vec<String> {
    let mut talk = Talk::new(url, path, eio);
    if times == UNHURRIED {
        // Stock socketioxide begins with one.
        talk.answer_pings();
    }
    acts(&mut talk).await;
    talk.told()
}
