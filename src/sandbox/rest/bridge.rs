//! Methods of DDP over REST, and the server's own slash commands.

use serde_json::{Value, json};

use super::{Call, Outcome, object, paged, schema};
use crate::sandbox::{
    refusal::Refusal,
    state::commands::{COMMANDS, Command, Known},
};

/// `method.call/NAME`: the method runs as if it came over DDP, and its faults are inside of the answer.
pub(super) fn method(call: &mut Call<'_>) -> Outcome {
    let text = call.need("message")?;
    let mut message: Value =
        serde_json::from_str(&text).map_err(|_| Refusal::plain("Unexpected token in JSON at position 0"))?;
    if !schema::is_method_call(&mut message) {
        return Err(Refusal::plain("Invalid request"));
    }
    let uid = Some(call.uid.clone()).filter(|uid| !uid.is_empty());
    let answer = call.state.method_by_rest(uid.as_deref(), &call.token, &message)?;
    Ok(object([("message", json!(answer))]))
}

fn about(
    Known {
        name,
        description,
        params,
        ..
    }: &Known,
) -> Value {
    json!({
        "command": name,
        "params": params,
        "description": description,
        "clientOnly": false,
        "providesPreview": false,
    })
}

pub(super) fn commands(call: &mut Call<'_>) -> Outcome {
    let all: Vec<Value> = COMMANDS.iter().map(about).collect();
    Ok(paged(call, "commands", &all))
}

pub(super) fn command(call: &mut Call<'_>) -> Outcome {
    let name = call.query("command");
    let name = name.ok_or_else(|| Refusal::plain("The query param \"command\" must be provided."))?;
    let found = COMMANDS.iter().find(|known| known.name == name);
    let unknown = || {
        Refusal::plain(format!(
            "There is no command in the system by the name of: {name}"
        ))
    };
    Ok(object([("command", about(found.ok_or_else(unknown)?))]))
}

pub(super) fn run(call: &mut Call<'_>) -> Outcome {
    let (name, rid) = (call.need("command")?, call.need("roomId")?);
    let body = std::mem::take(&mut call.body);
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let command = Command {
        name: &name,
        params: text("params").unwrap_or_default(),
        rid: &rid,
        tmid: text("tmid"),
        id: None,
    };
    call.state.run_command(&call.uid, &command)?;
    Ok(object([]))
}
