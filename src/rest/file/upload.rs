//! Files up: the first of the two steps, and both of them together.

use std::borrow::Cow;

use http::{HeaderValue, Request, header};
use tokio::time::Instant;

use super::form::{Form, Source};
use super::limits::too_large;
use super::transfer::Transfer;
use crate::dispatch::mentions::Mentionable;
use crate::event::{FileId, MessageId, RoomId, Timestamp};
use crate::response::{AllowedMentions, Upload, UploadFields};
use crate::rest::body::Body;
use crate::rest::call::Meta;
use crate::rest::client::Client;
use crate::rest::endpoint::{Endpoint, Info, UploadInOneStep, UploadMedia};
use crate::rest::error::{RestError, RestErrorKind};
use crate::rest::limiter::Turn;
use crate::rest::reply;
use crate::rest::timeout::Activity;
use crate::server_url::is_plain_path;

/// What is known as the type of a file whose name tells nothing.
const ANY_TYPE: &str = "application/octet-stream";

/// A file that was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// The message that shows it.
    pub message_id: MessageId,
    /// The id of the file.
    pub file_id: FileId,
    pub(super) path: String,
}

impl Uploaded {
    /// Where it can be downloaded, below the server's address.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// What the first step gave.
#[derive(Clone, Debug)]
pub(super) struct Media {
    pub(super) file_id: FileId,
    pub(super) path: String,
    /// What the server's clock said before the message was posted.
    pub(super) at: Option<Timestamp>,
}

/// The text and the description that go with a file.
pub(super) struct Words<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) description: Option<Cow<'a, str>>,
    pub(super) thread_id: Option<&'a MessageId>,
}

impl<'a> Words<'a> {
    pub(super) fn of(fields: &'a UploadFields) -> Self {
        let allowed = AllowedMentions::default();
        let neutral =
            |text: &'a str| Mentionable::new(&allowed, None, fields.allows_group_mentions).neutralise(text);
        Self {
            text: neutral(&fields.text),
            description: fields.description.as_deref().map(neutral),
            thread_id: fields.thread.id(),
        }
    }
}

/// A file that was checked and can be sent.
pub(super) struct Prepared {
    pub(super) fields: Box<UploadFields>,
    source: Source,
    content_type: String,
    form: FormOptions,
}

struct FormOptions {
    most: Option<u64>,
    on_progress: Option<super::form::OnProgress>,
}

impl Client {
    /// Posts a file to a room: see [the module](crate::rest::file).
    ///
    /// # Errors
    ///
    /// [`RestErrorKind::TooLarge`] and [`RestErrorKind::UnsupportedType`] before anything is sent, where the server tells
    /// its limits; [`RestErrorKind::LocalFile`] for a file that can not be read; [`RestErrorKind::Cut`] for a stream when
    /// the connection is lost; [`RestErrorKind::Unconfirmed`]; and the others of [`RestErrorKind`].
    pub async fn upload(
        &self,
        room_id: impl Into<RoomId>,
        upload: impl Into<Upload<Transfer>>,
    ) -> Result<Uploaded, RestError> {
        let room_id = room_id.into();
        let prepared = self.prepare_upload(upload.into()).await?;
        if !self.has_two_steps().await {
            return self.upload_in_one_step(&room_id, prepared).await;
        }
        let (media, fields) = self.send_file(&room_id, prepared).await?;
        self.show_file(&room_id, &media, &fields).await
    }

    /// Whether the server has the two steps. One that does not tell its version is taken for a new one.
    pub(super) async fn has_two_steps(&self) -> bool {
        if self.version().known().is_none() {
            // It learns by that.
            let _ = self
                .in_a_hurry(std::time::Duration::from_secs(2))
                .call(&Info {})
                .await;
        }
        self.version().has_two_step_upload()
    }

    pub(super) async fn prepare_upload(&self, upload: Upload<Transfer>) -> Result<Prepared, RestError> {
        const CALL: &str = "POST rooms.media";
        let Upload { source, fields } = upload;
        let on_progress = source.on_progress.clone();
        let source = source.open(CALL).await?;
        let guessed = || {
            mime_guess::from_path(&fields.name)
                .first_raw()
                .unwrap_or(ANY_TYPE)
                .to_owned()
        };
        let content_type = fields.content_type.clone().unwrap_or_else(guessed);
        if HeaderValue::from_str(&content_type).is_err() {
            let message = format!(
                "{:?} is no media type",
                crate::excerpt::excerpt(&content_type, 80)
            );
            return Err(RestError::new(RestErrorKind::InvalidCall, CALL, message));
        }
        let known = self.known_file_limits().await;
        let most = known.most.into_iter().chain(self.max_file_size()).min();
        if let (Some(length), Some(most)) = (source.length(), most)
            && length > most
        {
            return Err(too_large(CALL, length, most));
        }
        if !known.takes(&content_type) {
            let message = format!("the server does not take files of the type {content_type}");
            return Err(RestError::new(RestErrorKind::UnsupportedType, CALL, message));
        }
        Ok(Prepared {
            fields,
            source,
            content_type,
            form: FormOptions { most, on_progress },
        })
    }

    /// The first step: the file is on the server, and nobody sees it.
    pub(super) async fn send_file(
        &self,
        room_id: &RoomId,
        prepared: Prepared,
    ) -> Result<(Media, Box<UploadFields>), RestError> {
        let (fields, reply, at) = self.send_form::<UploadMedia>(room_id, prepared, &[]).await?;
        let file_id = reply.file.id;
        if !is_segment(file_id.as_str()) {
            let message = "the server gave the file an id that is none";
            return Err(RestError::new(
                RestErrorKind::UnexpectedReply,
                "POST rooms.media",
                message,
            ));
        }
        let path = reply
            .file
            .url
            .unwrap_or_else(|| super::link::path_of(file_id.as_str(), &fields.name));
        Ok((Media { file_id, path, at }, fields))
    }

    /// What servers before 6.12 have instead of the two steps.
    pub(super) async fn upload_in_one_step(
        &self,
        room_id: &RoomId,
        prepared: Prepared,
    ) -> Result<Uploaded, RestError> {
        let fields = prepared.fields.clone();
        let words = Words::of(&fields);
        let mut texts = vec![("msg", words.text.as_ref())];
        texts.extend(words.description.as_deref().map(|text| ("description", text)));
        texts.extend(words.thread_id.map(|id| ("tmid", id.as_str())));
        let sent = self.send_form::<UploadInOneStep>(room_id, prepared, &texts).await;
        let (_, reply, _) = sent?;
        let file_id = reply.message.file_id().cloned();
        let file_id = file_id.unwrap_or_else(|| FileId::from(""));
        let message_id = reply.message.id;
        let Some(message_id) = message_id else {
            let message = "the reply has no message";
            return Err(RestError::new(
                RestErrorKind::UnexpectedReply,
                "POST rooms.upload",
                message,
            ));
        };
        Ok(Uploaded {
            message_id,
            path: super::link::path_of(file_id.as_str(), &fields.name),
            file_id,
        })
    }

    /// Sends the form. Repeated only where that posts no second message.
    async fn send_form<E: Endpoint>(
        &self,
        room_id: &RoomId,
        prepared: Prepared,
        texts: &[(&str, &str)],
    ) -> Result<(Box<UploadFields>, E::Reply, Option<Timestamp>), RestError> {
        let name = format!("{} {}", E::METHOD, E::PATH);
        if !is_segment(room_id.as_str()) {
            return Err(RestError::new(
                RestErrorKind::InvalidCall,
                &name,
                "the room has no id that goes into a path",
            ));
        }
        let Prepared {
            fields,
            source,
            content_type,
            form: FormOptions { most, on_progress },
        } = prepared;
        let can_be_reopened = source.can_be_reopened();
        let activity = Activity::default();
        let (form, form_type) = Form::new(texts, &fields.name, &content_type, source, activity.clone());
        let form = form.at_most(most).on_progress(on_progress);
        let left = form.clone();
        let path = format!("{}/{room_id}", E::PATH);
        let invalid = |error: http::Error| {
            RestError::new(
                RestErrorKind::InvalidCall,
                &name,
                "it does not fit into a request",
            )
            .with_source(error)
        };
        let uri = self
            .url()
            .rest_uri(&format!("{}/{path}", self.api()), &[])
            .map_err(invalid)?;
        let request = Request::builder()
            .method(E::METHOD)
            .uri(uri)
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::USER_AGENT, crate::rest::call::USER_AGENT)
            .header(header::CONTENT_TYPE, form_type)
            .extension(Meta {
                idempotent: E::IDEMPOTENT,
                anonymous: E::ANONYMOUS,
                sensitive: E::SENSITIVE,
            })
            .extension(Turn::new(
                Cow::Owned(path),
                self.limiter().next_order(),
                self.estimate(E::LIMIT),
            ))
            .extension(activity)
            .body(Body::Form(Box::new(form)))
            .map_err(invalid)?;
        let answer = self.request(&name, request).await;
        let response = answer.map_err(|error| match error.kind() {
            RestErrorKind::Transport if !can_be_reopened && !left.can_be_sent() => error.into_kind(
                RestErrorKind::Cut,
                "the connection was lost, and the stream can not be read again",
            ),
            _ => error,
        })?;
        let now = Instant::now();
        self.clock().learn(response.headers(), now);
        let reply = reply::read(&name, self.url(), &response, E::SENSITIVE);
        let reply = reply.map_err(|error| match reply::is_unknown_route(&response) {
            true => self.unknown_route::<E>(error),
            false => error,
        })?;
        Ok((fields, reply, self.clock().at(now)))
    }
}

/// Whether it is one part of a path as it is.
pub(super) fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '%', ';', '?']) && is_plain_path(text)
}
