//! Background work, and how it ends.

use std::future::Future;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Tasks that end together; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Workers {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Workers {
    /// Runs work that may be dropped wherever it waits, which happens when stopping begins.
    pub(crate) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks
            .spawn(self.stop.clone().run_until_cancelled_owned(work));
    }

    /// Runs work that ends by itself, soon or after [`Workers::stopping`] says so.
    pub(crate) fn run_to_end(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Says when stopping begins.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Begins stopping.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops, and waits until all work has ended.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
