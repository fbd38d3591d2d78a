//! Streams that go on while their reader takes nothing.

use futures_util::{Stream, StreamExt};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Runs a stream in a task of its own, two items ahead of its reader; it ends when the reader is gone, and when the
/// reader takes nothing for so long.
///
/// An answer's body is polled only while its socket takes bytes. One that waits for a connection of the database
/// meanwhile would be given it and not use it: a few such readers would keep the database from everybody else.
pub fn ahead<T: Send + 'static>(
    stream: impl Stream<Item = T> + Send + 'static,
    patience: Duration,
) -> impl Stream<Item = T> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut stream = pin!(stream);
        loop {
            let item = tokio::select! {
                biased;
                () = sender.closed() => return,
                item = stream.next() => item,
            };
            let Some(item) = item else { return };
            if !matches!(timeout(patience, sender.send(item)).await, Ok(Ok(()))) {
                return;
            }
        }
    });
    futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Numbers, and how many were made.
    fn counted(made: &Arc<AtomicUsize>) -> impl Stream<Item = usize> + Send + use<> {
        let made = made.clone();
        stream::iter(0..1000).inspect(move |_| {
            made.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[tokio::test]
    async fn a_reader_gets_everything_in_order() {
        let read: Vec<usize> = ahead(counted(&Arc::default()), Duration::from_secs(60)).collect().await;
        assert_eq!(read, (0..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn work_is_finished_though_nobody_polls_and_then_given_up() {
        let made = Arc::<AtomicUsize>::default();
        let stream = ahead(counted(&made), Duration::from_millis(50));
        let given_up = async {
            // The task holds the other one until it ends.
            while Arc::strong_count(&made) > 1 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), given_up).await.expect("the stream is let go of");
        assert_eq!(made.load(Ordering::SeqCst), 2);
        assert_eq!(stream.count().await, 1);
    }
}
