//! A ThingsBoard server that is none: as much of ThingsBoard CE 4.3 as Tenantry speaks with, from the notes of the project
//! (`backends.md`, section 2; each behaviour names the part it follows). It keeps state, checks tokens and versions, and is no
//! kinder than the real one. What the notes do not say is marked `guessed:`.

mod answer;
mod places;
mod sign_in;
mod state;
mod users;

use std::{
    io::BufReader,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::{Value, json};

use crate::http::{Door, Message};

use self::{
    answer::{Asked, Refusal, error},
    state::State,
};

pub(crate) use self::state::Mail;

/// What the system administrator signs in with.
pub(crate) const SYSTEM: (&str, &str) = ("sysadmin@thingsboard.org", "sysadmin");

/// A server on loopback, until it is dropped.
pub(crate) struct Simulator {
    door: Door,
    state: Arc<Mutex<State>>,
}

impl Simulator {
    /// One with a system administrator and nothing else.
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        let it = Arc::clone(&state);
        let door = Door::open(move |stream| drop(serve(&stream, &it)));
        Self { door, state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.door.address
    }

    /// Looks at it from within, or changes it as somebody else would.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let Some(message) = Message::read(&mut BufReader::new(stream))? else { return Ok(()) };
    let asked = Asked::of(&message);
    state.lock().unwrap().begin(&asked);
    let answer = {
        let mut state = state.lock().unwrap();
        let scripted = state.script.as_mut().and_then(|script| script(&asked.method, &asked.path.join("/")));
        match scripted {
            Some(answer) => answer,
            None => state.answer(&asked).unwrap_or_else(|refusal| refusal.message()),
        }
    };
    state.lock().unwrap().under_way -= 1;
    answer.write(&mut stream)
}

impl State {
    /// Every request there is.
    fn answer(&mut self, asked: &Asked) -> Result<Message, Refusal> {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        // What takes no token.
        match (asked.method.as_str(), &path[..]) {
            ("POST", ["auth", "login"]) => return self.login(asked),
            // 2.5
            ("GET", ["noauth", "userPasswordPolicy"]) => {
                return Ok(answer::ok(&json!({ "minimumLength": 6, "maximumLength": Self::LONGEST, "minimumDigits": null })));
            }
            ("POST", ["noauth", "activate"]) => return self.activate(asked),
            ("POST", ["noauth", "resetPasswordByEmail"]) => return self.mail_reset(asked),
            ("POST", ["noauth", "resetPassword"]) => return self.reset(asked),
            _ => {}
        }
        let caller = self.caller(asked)?;
        self.slow_down(&caller)?;
        match (asked.method.as_str(), &path[..]) {
            // guessed: the path is from the server's own pages, which ask for it first of all.
            ("GET", ["auth", "user"]) => Ok(answer::ok(&self.users[&caller.user])),
            ("POST", ["apiKey"]) => self.make_key(&caller, asked),
            ("GET", ["user", "tokenAccessEnabled"]) => Ok(answer::ok(&json!(true))),
            ("POST", ["user"]) => self.save_user(&caller, asked),
            ("POST", ["user", "sendActivationMail"]) => self.mail_activation(&caller, asked),
            ("GET", ["user", id]) => self.read_user(&caller, id),
            ("DELETE", ["user", id]) => self.delete_user(&caller, id),
            ("GET", ["user", id, "token"]) => self.impersonate(&caller, id),
            ("GET", ["user", id, "activationLinkInfo"]) => self.activation_link(&caller, id),
            ("POST", ["user", id, "userCredentialsEnabled"]) => self.open_or_shut(&caller, id, asked),
            ("GET", ["users"]) => self.list_users(&caller, asked, None),
            ("GET", ["customer", id, "users"]) => self.list_users(&caller, asked, Some(id)),
            ("GET", ["tenant", id, "users"]) => self.list_admins(&caller, asked, id),
            ("POST", ["customer"]) => self.save_customer(&caller, asked),
            ("GET", ["customers"]) => self.list_customers(&caller, asked),
            ("GET", ["customer", id]) => self.read_customer(&caller, id),
            ("DELETE", ["customer", id]) => self.delete_customer(&caller, id),
            ("POST", ["tenant"]) => self.save_tenant(&caller, asked),
            ("GET", ["tenants"]) => self.list_tenants(&caller, asked),
            ("GET", ["tenant", sort @ ("devices" | "assets" | "dashboards")]) => self.list_things(&caller, asked, sort, None),
            ("GET", ["customer", id, sort @ ("devices" | "assets" | "dashboards")]) => {
                self.list_things(&caller, asked, sort, Some(id))
            }
            ("GET", ["tenant", id]) => self.read_tenant(&caller, id),
            ("DELETE", ["tenant", id]) => self.delete_tenant(&caller, id),
            // guessed: a path that is none.
            _ => Err(error(404, 32, "The requested resource was not found")),
        }
    }
}

/// A reference: `{"entityType":"CUSTOMER","id":"…"}` (2.2).
fn reference(entity: &str, id: &str) -> Value {
    json!({ "entityType": entity, "id": id })
}
