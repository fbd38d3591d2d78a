//! Streams that go on while their reader takes nothing.

use futures_util::{Stream, StreamExt};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Runs a stream in a task of its own, two items ahead of its reader. It ends when `over` does, when the reader is gone,
/// and when the reader takes nothing for so long.
///
/// An answer's body is polled only while its socket takes bytes. One that waits for a connection of the database
/// meanwhile would be given it and not use it: a few such readers would keep the database from everybody else. So neither
/// the stream nor `over` is ever left waiting for something while nobody polls it.
pub fn ahead<T: Send + 'static>(
    stream: impl Stream<Item = T> + Send + 'static,
    over: impl Future<Output = ()> + Send + 'static,
    patience: Duration,
) -> impl Stream<Item = T> + Send + 'static {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let forward = async {
            let mut stream = pin!(stream);
            while let Some(item) = stream.next().await {
                if !matches!(timeout(patience, sender.send(item)).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        tokio::select! {
            () = over => {}
            () = sender.closed() => {}
            () = forward => {}
        }
    });
    futures_util::stream::poll_fn(move |context| receiver.poll_recv(context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::future::pending;
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
        let read: Vec<usize> =
            ahead(counted(&Arc::default()), pending(), Duration::from_secs(60)).collect().await;
        assert_eq!(read, (0..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn work_is_finished_though_nobody_polls_and_then_given_up() {
        let made = Arc::<AtomicUsize>::default();
        let stream = ahead(counted(&made), pending(), Duration::from_millis(50));
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

    #[tokio::test]
    async fn what_ends_it_goes_on_while_nobody_reads() {
        let made = Arc::<AtomicUsize>::default();
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let held = made.clone();
        let over = async move {
            // As a question of the database: it needs to be polled more than once.
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop((tell, held));
        };
        let stream = ahead(counted(&made), over, Duration::from_secs(3600));
        timeout(Duration::from_secs(60), told).await.expect("it is polled").expect_err("dropped");
        assert!(stream.count().await <= 2);
    }
}
