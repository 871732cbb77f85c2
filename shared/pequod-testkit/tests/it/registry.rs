use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use pequod_testkit::Registry;

#[tokio::test]
async fn answers_on_its_port() {
    let registry = Registry::start().await.unwrap();
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    write!(
        stream,
        "GET /v2/ HTTP/1.0\r\nHost: {}\r\n\r\n",
        registry.host()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}
