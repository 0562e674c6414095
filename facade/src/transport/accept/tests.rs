use tokio::time::Instant;

use super::*;

#[test]
fn connections_are_counted_by_owner() {
    let addresses = Addresses::default();
    let admit = |address: &str| addresses.admit(address.parse().unwrap(), 2);
    let (first, _second) = (admit("10.0.0.1").unwrap(), admit("::ffff:10.0.0.1").unwrap());
    assert!(admit("10.0.0.1").is_none());
    assert!(admit("10.0.0.2").is_some());
    drop(first);
    let _third = admit("10.0.0.1").unwrap();
    let (_a, _b) = (admit("2001:db8::1").unwrap(), admit("2001:db8::ffff:1").unwrap());
    assert!(admit("2001:db8::2").is_none());
    assert!(admit("2001:db8:0:1::1").is_some());
    assert_eq!(addresses.0.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_quiet_when_nothing_was_in_flight_for_long() {
    let (sender, mut receiver) = watch::channel(Requests::default());
    let start = Instant::now();
    quiet(&mut receiver, FIRST_REQUEST, IDLE).await;
    assert_eq!(start.elapsed(), FIRST_REQUEST);

    // A request that was over before anybody looked.
    drop(InFlight::begin(sender.clone(), false));
    let start = Instant::now();
    quiet(&mut receiver, FIRST_REQUEST, IDLE).await;
    assert_eq!(start.elapsed(), IDLE);

    let guard = InFlight::begin(sender.clone(), false);
    let start = Instant::now();
    let ends = async {
        tokio::time::sleep(2 * IDLE).await;
        drop(guard);
        // The sender must live on, as it does in the connection's service.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = quiet(&mut receiver, FIRST_REQUEST, IDLE) => {}
        () = ends => {}
    }
    assert_eq!(start.elapsed(), 2 * IDLE + IDLE);
}
