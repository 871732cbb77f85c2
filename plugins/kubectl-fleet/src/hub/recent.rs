//! What is read once for all questions of a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// Something that is read anew when it is older than a certain time.
pub(super) struct Recent<T> {
    lives: Duration,
    read: Mutex<Option<(Instant, Arc<T>)>>,
}

impl<T> Recent<T> {
    /// Nothing yet.
    pub(super) fn new(lives: Duration) -> Self {
        Self {
            lives,
            read: Mutex::default(),
        }
    }

    /// What was read last, or is read now. Of several who ask only one reads. A failure is not remembered.
    pub(super) async fn get<E>(
        &self,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let mut last = self.read.lock().await;
        if let Some((at, value)) = &*last
            && at.elapsed() < self.lives
        {
            return Ok(value.clone());
        }
        *last = None;
        let at = Instant::now();
        let value = Arc::new(read.await?);
        *last = Some((at, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: u8) -> impl Future<Output = Result<u8, ()>> {
        std::future::ready(Ok(number))
    }

    #[tokio::test]
    async fn what_is_young_is_not_read_again_and_a_failure_is_not_remembered() {
        let recent = Recent::new(Duration::from_hours(1));
        let failed = recent.get(std::future::ready(Err("no"))).await;
        assert!(failed.is_err());
        assert_eq!(*recent.get(read(1)).await.unwrap(), 1);
        assert_eq!(*recent.get(read(2)).await.unwrap(), 1);
        let old = Recent::new(Duration::ZERO);
        assert_eq!(*old.get(read(1)).await.unwrap(), 1);
        assert_eq!(*old.get(read(2)).await.unwrap(), 2);
    }
}
