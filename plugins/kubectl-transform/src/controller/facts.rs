//! What is known of the cluster, asked for at most every half minute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use pequod_kube::ApiError;
use pequod_render::Cluster;
use tokio::sync::Mutex;

use crate::facts;

/// How old an answer may be. A kind that came meanwhile is seen after that; until then an object of it fails and is
/// tried again.
const AGE: Duration = Duration::from_secs(30);

/// The answer given last.
pub struct Facts {
    client: Client,
    // Held while asking: many reconciles at once ask once.
    last: Mutex<Option<(Instant, Arc<Cluster>)>>,
}

impl Facts {
    /// Of the cluster of a client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            last: Mutex::new(None),
        }
    }

    /// The facts.
    pub async fn get(&self) -> Result<Arc<Cluster>, ApiError> {
        let mut last = self.last.lock().await;
        if let Some((asked, cluster)) = last.as_ref()
            && asked.elapsed() < AGE
        {
            return Ok(cluster.clone());
        }
        let cluster = Arc::new(facts::cluster(&self.client).await?);
        *last = Some((Instant::now(), cluster.clone()));
        Ok(cluster)
    }
}
