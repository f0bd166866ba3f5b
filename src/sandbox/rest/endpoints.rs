//! Which endpoints there are, and from which version to which.

use super::{
    Call, Outcome, account, any_room, bridge, chat, files, looking, marks, people, rooms, settings, sync,
};

#[derive(Clone, Copy)]
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) verb: &'static str,
    /// Whether a login is needed.
    pub(super) closed: bool,
    /// How many parts of the path stand behind the name.
    pub(super) args: usize,
    /// The versions that have it, as far as they differ.
    pub(super) since: (u32, u32),
    pub(super) until: (u32, u32),
    pub(super) run: fn(&mut Call<'_>) -> Outcome,
}

pub(super) const ALWAYS: (u32, u32) = (0, 0);
const STILL: (u32, u32) = (u32::MAX, 0);

const fn endpoint(name: &'static str, verb: &'static str, run: fn(&mut Call<'_>) -> Outcome) -> Endpoint {
    Endpoint {
        name,
        verb,
        closed: true,
        args: 0,
        since: ALWAYS,
        until: STILL,
        run,
    }
}

const fn get(name: &'static str, run: fn(&mut Call<'_>) -> Outcome) -> Endpoint {
    endpoint(name, "GET", run)
}

const fn post(name: &'static str, run: fn(&mut Call<'_>) -> Outcome) -> Endpoint {
    endpoint(name, "POST", run)
}

/// With so many parts of the path behind the name.
const fn below(args: usize, endpoint: Endpoint) -> Endpoint {
    Endpoint { args, ..endpoint }
}

/// Not there before this version.
const fn since(since: (u32, u32), endpoint: Endpoint) -> Endpoint {
    Endpoint { since, ..endpoint }
}

/// Gone with this version.
const fn until(until: (u32, u32), endpoint: Endpoint) -> Endpoint {
    Endpoint { until, ..endpoint }
}

const fn open(endpoint: Endpoint) -> Endpoint {
    Endpoint {
        closed: false,
        ..endpoint
    }
}

pub(super) const ENDPOINTS: &[Endpoint] = &[
    open(get("info", account::info)),
    open(post("login", account::login)),
    post("logout", account::logout),
    get("me", account::me),
    get("users.info", account::user_info),
    get("users.list", account::user_list),
    get("users.getPresence", account::presence),
    post("users.setStatus", account::set_status),
    open(get("settings.public", account::settings)),
    post("chat.sendMessage", chat::send),
    post("chat.postMessage", chat::post),
    get("chat.getMessage", chat::get),
    post("chat.update", chat::update),
    post("chat.delete", chat::delete),
    post("chat.react", chat::react),
    post("chat.pinMessage", chat::pin),
    post("chat.unPinMessage", chat::unpin),
    get("chat.syncMessages", sync::messages),
    get("chat.getThreadMessages", sync::thread),
    get("channels.history", sync::channel_history),
    get("groups.history", sync::group_history),
    get("im.history", sync::direct_history),
    get("rooms.get", sync::rooms),
    get("subscriptions.get", sync::subscriptions),
    get("subscriptions.getOne", sync::subscription),
    post("subscriptions.read", sync::read),
    get("rooms.info", rooms::info),
    get("channels.info", rooms::channel_info),
    get("groups.info", rooms::group_info),
    get("channels.members", rooms::channel_members),
    get("groups.members", rooms::group_members),
    get("channels.roles", rooms::channel_roles),
    get("groups.roles", rooms::group_roles),
    get("channels.list", rooms::channel_list),
    get("channels.list.joined", rooms::channel_list_joined),
    get("groups.list", rooms::group_list),
    get("im.list", rooms::direct_list),
    post("im.create", rooms::create_direct),
    post("channels.create", rooms::create_channel),
    post("groups.create", rooms::create_group),
    post("channels.join", rooms::join),
    post("channels.leave", rooms::leave_channel),
    post("groups.leave", rooms::leave_group),
    post("channels.invite", rooms::invite_channel),
    post("groups.invite", rooms::invite_group),
    post("channels.kick", rooms::kick_channel),
    post("groups.kick", rooms::kick_group),
    post("channels.setTopic", rooms::set_channel_topic),
    post("groups.setTopic", rooms::set_group_topic),
    post("im.setTopic", settings::set_direct_topic),
    post("channels.setAnnouncement", settings::set_channel_announcement),
    post("groups.setAnnouncement", settings::set_group_announcement),
    post("channels.setDescription", settings::set_channel_description),
    post("groups.setDescription", settings::set_group_description),
    since((3, 13), post("rooms.saveRoomSettings", settings::save)),
    since(
        (7, 3),
        get("rooms.membersOrderedByRole", settings::members_by_role),
    ),
    get("rooms.getDiscussions", settings::discussions),
    post("subscriptions.unread", settings::unread),
    post("rooms.createDiscussion", rooms::create_discussion),
    post("chat.starMessage", marks::star),
    post("chat.unStarMessage", marks::unstar),
    post("chat.followMessage", marks::follow),
    post("chat.unfollowMessage", marks::unfollow),
    post("chat.reportMessage", marks::report),
    get("chat.getThreadsList", looking::threads),
    get("chat.syncThreadMessages", looking::changed_in_thread),
    get("chat.syncThreadsList", looking::changed_threads),
    get("chat.getDeletedMessages", looking::deleted),
    get("chat.getPinnedMessages", looking::pinned),
    get("chat.getStarredMessages", looking::starred),
    get("chat.getMentionedMessages", looking::mentioning),
    get("chat.search", looking::search),
    get("channels.messages", looking::of_channel),
    get("groups.messages", looking::of_group),
    get("im.messages", looking::of_direct),
    since((8, 9), get("rooms.history", looking::history)),
    get("emoji-custom.list", people::emoji),
    get("commands.list", bridge::commands),
    get("commands.get", bridge::command),
    post("commands.run", bridge::run),
    below(1, post("method.call", bridge::method)),
    below(1, open(post("method.callAnon", bridge::method))),
    get("im.members", rooms::direct_members),
    get("rooms.isMember", any_room::is_member),
    post("channels.rename", rooms::rename_channel),
    post("groups.rename", rooms::rename_group),
    since((8, 0), post("rooms.join", any_room::join)),
    post("rooms.leave", any_room::leave),
    get("users.getStatus", account::status),
    get("users.presence", people::presences),
    get("users.autocomplete", people::autocomplete),
    get("spotlight", people::spotlight),
    post("users.generatePersonalAccessToken", people::make_token),
    post("users.regeneratePersonalAccessToken", people::remake_token),
    get("users.getPersonalAccessTokens", people::tokens),
    post("users.removePersonalAccessToken", people::remove_token),
    since((6, 12), below(1, post("rooms.media", files::media))),
    since((6, 12), below(2, post("rooms.mediaConfirm", files::confirm))),
    until((8, 0), below(1, post("rooms.upload", files::upload))),
];
