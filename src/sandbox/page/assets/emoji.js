// The common short codes of emoji; others stay the text that they are.

export const GROUPS = {
  People:
    "grinning 😀,smile 😄,laughing 😆,sweat_smile 😅,joy 😂,rofl 🤣,slight_smile 🙂,upside_down 🙃,wink 😉," +
    "blush 😊,heart_eyes 😍,kissing_heart 😘,yum 😋,stuck_out_tongue 😛,thinking 🤔,neutral_face 😐," +
    "expressionless 😑,rolling_eyes 🙄,smirk 😏,relieved 😌,sleeping 😴,sunglasses 😎,nerd 🤓,confused 😕," +
    "worried 😟,open_mouth 😮,astonished 😲,flushed 😳,cry 😢,sob 😭,scream 😱,tired_face 😫,triumph 😤," +
    "angry 😠,rage 😡,exploding_head 🤯,clown 🤡,skull 💀,ghost 👻,robot 🤖,see_no_evil 🙈",
  Hands:
    "+1 👍,thumbsup 👍,-1 👎,thumbsdown 👎,ok_hand 👌,v ✌️,crossed_fingers 🤞,wave 👋,raised_hand ✋,clap 👏," +
    "raised_hands 🙌,pray 🙏,muscle 💪,point_up ☝️,point_down 👇,point_left 👈,point_right 👉,handshake 🤝," +
    "fist ✊,eyes 👀,writing_hand ✍️",
  Signs:
    "heart ❤️,broken_heart 💔,sparkles ✨,star ⭐,fire 🔥,boom 💥,100 💯,tada 🎉,balloon 🎈,gift 🎁,trophy 🏆," +
    "medal 🏅,rocket 🚀,zap ⚡,bulb 💡,bell 🔔,mag 🔍,lock 🔒,unlock 🔓,key 🔑,link 🔗,pushpin 📌,paperclip 📎," +
    "memo 📝,clipboard 📋,calendar 📅,hourglass ⌛,hourglass_flowing_sand ⏳,stopwatch ⏱️,alarm_clock ⏰," +
    "white_check_mark ✅,heavy_check_mark ✔️,x ❌,no_entry ⛔,no_entry_sign 🚫,warning ⚠️,question ❓," +
    "exclamation ❗,information_source ℹ️,recycle ♻️,red_circle 🔴,green_circle 🟢,yellow_circle 🟡," +
    "blue_circle 🔵,white_circle ⚪,arrow_up ⬆️,arrow_down ⬇️,arrow_right ➡️,arrow_left ⬅️",
  Things:
    "bug 🐛,wrench 🔧,hammer 🔨,gear ⚙️,package 📦,computer 💻,iphone 📱,floppy_disk 💾,cd 💿," +
    "chart_with_upwards_trend 📈,chart_with_downwards_trend 📉,bar_chart 📊,email 📧,inbox_tray 📥," +
    "outbox_tray 📤,speech_balloon 💬,zzz 💤,sunny ☀️,cloud ☁️,umbrella ☔,snowflake ❄️,rainbow 🌈," +
    "coffee ☕,tea 🍵,beer 🍺,beers 🍻,wine_glass 🍷,pizza 🍕,cake 🎂,cookie 🍪,apple 🍎,banana 🍌,cat 🐱,dog 🐶," +
    "fox 🦊,panda 🐼,unicorn 🦄,bee 🐝,turtle 🐢,octopus 🐙,whale 🐳,penguin 🐧,crab 🦀,seedling 🌱," +
    "evergreen_tree 🌲,house 🏠,office 🏢,car 🚗,bike 🚲,airplane ✈️,ship 🚢,construction 🚧," +
    "rotating_light 🚨,checkered_flag 🏁,soccer ⚽,dart 🎯,game_die 🎲,musical_note 🎵,art 🎨",
};

const BY_NAME = new Map();
for (const [group, list] of Object.entries(GROUPS)) {
  GROUPS[group] = list.split(",").map((entry) => entry.split(" "));
  for (const [name, sign] of GROUPS[group]) BY_NAME.set(name, sign);
}

/** The emoji of a short code with or without colons; nothing if it is not known. */
export const emojiOf = (code) => BY_NAME.get(code.replace(/^:|:$/g, ""));

/** Pairs of name and emoji whose name has the text in it. */
export function findEmoji(text, most = 60) {
  const wanted = text.toLowerCase().replace(/:/g, "");
  return [...BY_NAME].filter(([name]) => name.includes(wanted)).slice(0, most);
}
