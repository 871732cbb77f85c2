//! Big graphs.

use std::time::{Duration, Instant};

use kube::api::ListParams;

use crate::world::{World, config_map, executor, node, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_of_five_thousand_nodes_is_applied_and_removed() {
    let world = World::new().await;
    let names: Vec<String> = (0..5000).map(|i| format!("config-map-{i:04}")).collect();
    // Ten long chains are not the point; a wide graph with a common root is.
    let nodes: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let after: Vec<&str> = (i > 0)
                .then(|| names[i / 100].as_str())
                .filter(|b| *b != name)
                .into_iter()
                .collect();
            node(config_map(name, "1"), &after)
        })
        .collect();
    let generation = world.publish(&nodes).await;
    let executor = executor(&world.cluster, options());
    let begin = Instant::now();
    world.settle(&executor).await.unwrap();
    world.until_ready(generation).await;
    eprintln!("5,000 nodes: {:?}", begin.elapsed());
    let begin = Instant::now();
    executor.reconcile(&world.owner).await.unwrap();
    let idle = begin.elapsed();
    eprintln!("a pass with nothing to do: {idle:?}");
    assert!(idle < Duration::from_secs(20), "{idle:?}");
    world.delete_graph().await;
    world.settle(&executor).await.unwrap();
    world.until_gone().await;
    let list = world
        .config_maps()
        .list(&ListParams::default().labels("platform.pequod.io/transform=shop"))
        .await
        .unwrap();
    assert!(list.items.is_empty());
}
