//! What every way in for readings promises.

use tokio::sync::watch;

use super::Intake;

/// A listener or client that brings readings: TCP, MQTT, and later Kafka. HTTP and WebSocket keep the same promises as
/// routes of the one HTTP interface.
///
/// - **At least once.** A reading is acknowledged after its commit, and never before: what was acknowledged is on disk.
///   What was not may be sent again, and is then recognised by its key.
/// - **Order per device.** Readings of one device on one connection reach the detector in the order in which they came.
/// - **Nobody pretends.** Each message goes through [`Intake::submit`] with the connection's pass, which asks anew whether
///   what was shown still holds, and whether it may send as that device.
/// - **Nothing is dropped silently.** When the service is busy the source waits, or tells the sender to, by the means
///   of its protocol. A reading that can never be taken gets an error that says why, and the connection goes on.
/// - **Limits.** Connections, bytes of a message, time without a message: each has a number beside it.
/// - **It stops by finishing**: no new connections, what was taken is committed and acknowledged, then it returns.
pub(crate) trait Source: Send {
    /// Its name in metrics and in the service's log, such as `mqtt`.
    fn name(&self) -> &'static str;

    /// Where it listens or connects, for people, such as `mqtt://127.0.0.1:1883`.
    fn place(&self) -> String;

    /// Serves until `stop` turns true.
    fn run(
        self: Box<Self>,
        intake: Intake,
        stop: watch::Receiver<bool>,
    ) -> futures_util::future::BoxFuture<'static, ()>;
}
