//! Sockets of the `chats` contract, up to the point where they are of use.

use serde_json::{Value, json};

use roomwire_shared::RoomId;
use roomwire_shared::chats::event::{JOIN_ROOM, SUCCESS};

use crate::client::{CloseReason, Connection, Incoming, Payload, event_payload};
use crate::command::CommandError;
use crate::crowd::cohort::Access;

/// Connects these users and waits until each has been welcomed.
pub(super) async fn connect(
    access: &Access,
    users: &[String],
) -> Result<Vec<Connection>, CommandError> {
    let mut connections = Box::pin(access.connect_chats(users)).await?;
    let welcome = format!("[\"{SUCCESS}\"");
    for connection in &mut connections {
        while !event(connection).await?.starts_with(&welcome) {}
    }
    Ok(connections)
}

/// Asks for the room's live feed and waits until it is granted.
pub(super) async fn join(connection: &mut Connection, room: RoomId) -> Result<(), CommandError> {
    let payload = event_payload(JOIN_ROOM, &[json!(room)]);
    ask(connection, (0, &payload)).await.map(drop)
}

/// Sends an event under an id that was not used before on this connection, and returns its answer's
/// payload. What else comes in meanwhile is passed over.
pub(super) async fn ask(
    connection: &mut Connection,
    (id, payload): (u64, &str),
) -> Result<Payload, CommandError> {
    connection.emit(Some(id), payload).await?;
    loop {
        if let Incoming::Ack(of, answer) = connection.next().await?
            && of == id
        {
            return Ok(answer);
        }
    }
}

/// The `data` of an answer's payload; a refusal is an error.
pub(super) fn data(answer: &str) -> Result<Value, CommandError> {
    let refused = || CommandError::Refused(answer.chars().take(200).collect());
    let (mut answered,): (Value,) = serde_json::from_str(answer).map_err(|_| refused())?;
    if answered.get("error") != Some(&Value::Bool(false)) {
        return Err(refused());
    }
    Ok(answered
        .get_mut("data")
        .map(Value::take)
        .unwrap_or_default())
}

async fn event(connection: &mut Connection) -> Result<Payload, CloseReason> {
    loop {
        if let Incoming::Event(payload) = connection.next().await? {
            return Ok(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_data_or_is_a_refusal() {
        let good = data(r#"[{"error":false,"data":[1]}]"#).unwrap();
        assert_eq!(good, json!([1]));
        let bad = data(r#"[{"error":true,"code":"FORBIDDEN","message":"no"}]"#);
        assert!(bad.unwrap_err().to_string().contains("FORBIDDEN"));
        assert!(data("[]").is_err());
    }
}
