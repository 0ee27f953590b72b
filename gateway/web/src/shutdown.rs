//! Work that outlives its request: the journal entry of a download is written when its last byte is out.

use tokio_util::task::TaskTracker;

/// Such work, waited for at the end of the program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks(TaskTracker);

impl Tasks {
    /// Runs `work` to its end, whatever becomes of the connection.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }
    /// Waits until all of it is done.
    pub(crate) async fn finish(&self) {
        self.0.close();
        self.0.wait().await;
        self.0.reopen();
    }
}
