// What the page says, in English and Chinese; `{name}` is filled in. The browser's language picks.

const EN = {
  title: 'Lapis', conversations: 'Conversations', new: 'New conversation', menu: 'Conversations',
  welcome: 'What is on the screen?',
  welcome_more: 'Drop, paste or pick a screenshot and ask where something is. Or just ask.',
  try_where: 'Where is “Save”?', try_read: 'What is written at the top?', try_sum: 'What is 17 + 26?',
  question: 'Your question', placeholder: 'Ask about a screen, or anything', send: 'Send', stop: 'Stop',
  hint: 'Enter sends · Shift + Enter new line · Esc stops',
  add: 'Add a picture', drop: 'Drop the picture here', take_off: 'Take off {name}', picture: 'Picture {name}',
  enlarge: 'Enlarge {name}', reading: 'reading…', tile: '1 tile', tiles: '{n} tiles', gone_picture: 'picture is gone',
  think: 'Think', budget: 'Budget', budget_long: 'Most tokens of thought', tokens: '{n} tokens', token: '1 token',
  no_limit: 'no limit', settings: 'Settings', temperature: 'Temperature',
  temperature_more: '0 always takes the likeliest word', longest: 'Longest answer',
  longest_more: 'Tokens of thought and answer together; empty leaves it to the server', automatic: 'automatic',
  key: 'API key', key_more: 'This server asks for an API key. It is kept until you close this tab.',
  key_wrong: 'The server does not accept this API key.', key_set: 'Change the API key', keep: 'Continue',
  cancel: 'Cancel', you: 'You asked', answer: 'Answer',
  waiting: 'Waiting for the server', waiting_picture: 'Reading the picture', thinking: 'Thinking…',
  thinking_for: 'Thinking… {s} s', thought: 'Thought', thought_for: 'Thought for {s} s', writing: 'Writing',
  answered: 'The answer is there', first: 'first token {s} s', speed: '{n} tokens/s', of_thought: '{n} of thought',
  total: '{s} s in all', stopped: 'stopped', cut: 'cut at the longest answer', empty: 'The model answered nothing.',
  copy: 'Copy', copied: 'Copied', not_copied: 'The browser does not let this page copy.', retry: 'Try again',
  rename: 'Rename {name}', remove: 'Delete {name}', new_name: 'New name', removed: '“{name}” is deleted.',
  undo: 'Undo', untitled: 'New conversation', today: 'Today', earlier: 'Earlier',
  none_yet: 'What you ask is kept here, in this browser only.', close: 'Close', code: 'Copy code',
  marks: 'Where the answer points', pixel: 'pixel {x}, {y}', pixels: 'pixels {x}, {y} to {x2}, {y2}',
  larger: 'Larger', smaller: 'Smaller', fit: 'Fit', zoom: '{n}%',
  not_a_picture: '{name} is not a PNG, JPEG or WebP picture.', broken_picture: '{name} cannot be read as a picture.',
  large_picture: '{name} is larger than 20 MB.', many_pictures: 'At most {n} pictures at a time.',
  full: 'The browser’s storage is full: this conversation is not kept. Delete older ones to make room.',
  full_pictures: 'The browser does not keep this picture: it is gone after a reload.',
  gone: 'The server does not answer. Is it still running?', busy: 'The server is busy. Try again in a moment.',
  busy_for: 'The server is busy. Try again in {s} s.', cut_off: 'The connection ended before the answer did.',
  large: 'This is more than the server takes at once. Send fewer or smaller pictures.',
  long: 'This conversation is longer than the model can read. Begin a new one.',
  slow: 'The answer took longer than the server allows.', stopping: 'The server is stopping.',
  forbidden: 'The server does not let this page ask.', wrong: 'The server did not take the question: {detail}',
  broken: 'The server failed: {detail}', needs_key: 'The server asks for an API key.', enter_key: 'Enter the key',
  no_model: 'no model', offline: 'server not reached', skip: 'To the question',
};

const ZH = {
  title: 'Lapis', conversations: '对话', new: '新对话', menu: '对话',
  welcome: '屏幕上有什么？',
  welcome_more: '拖入、粘贴或选择一张截图，问问某个东西在哪里。也可以直接提问。',
  try_where: '“保存”在哪里?', try_read: '最上面写着什么?', try_sum: '17加26等于多少?',
  question: '你的问题', placeholder: '问问屏幕，或随便问问', send: '发送', stop: '停止',
  hint: 'Enter 发送 · Shift + Enter 换行 · Esc 停止',
  add: '添加图片', drop: '把图片放在这里', take_off: '移除{name}', picture: '图片{name}',
  enlarge: '放大{name}', reading: '读取中…', tile: '1 块', tiles: '{n} 块', gone_picture: '图片已不在',
  think: '思考', budget: '预算', budget_long: '思考最多用多少词元', tokens: '{n} 词元', token: '1 词元',
  no_limit: '不限', settings: '设置', temperature: '温度',
  temperature_more: '0 总是取最可能的词', longest: '最长回答',
  longest_more: '思考和回答合计的词元数；留空由服务器决定', automatic: '自动',
  key: 'API 密钥', key_more: '这个服务器需要 API 密钥。密钥只保留到关闭此标签页为止。',
  key_wrong: '服务器不接受这个 API 密钥。', key_set: '更换 API 密钥', keep: '继续',
  cancel: '取消', you: '你的提问', answer: '回答',
  waiting: '等待服务器', waiting_picture: '正在读图', thinking: '思考中…',
  thinking_for: '思考中… {s} 秒', thought: '思考过程', thought_for: '思考了 {s} 秒', writing: '正在回答',
  answered: '回答完毕', first: '首词元 {s} 秒', speed: '{n} 词元/秒', of_thought: '其中思考 {n}',
  total: '共 {s} 秒', stopped: '已停止', cut: '到最长回答为止', empty: '模型没有回答。',
  copy: '复制', copied: '已复制', not_copied: '浏览器不允许本页复制。', retry: '重试',
  rename: '重命名{name}', remove: '删除{name}', new_name: '新名称', removed: '已删除“{name}”。',
  undo: '撤销', untitled: '新对话', today: '今天', earlier: '更早',
  none_yet: '你的提问保存在这里，只在这个浏览器里。', close: '关闭', code: '复制代码',
  marks: '回答所指的位置', pixel: '像素 {x}, {y}', pixels: '像素 {x}, {y} 到 {x2}, {y2}',
  larger: '放大', smaller: '缩小', fit: '适合窗口', zoom: '{n}%',
  not_a_picture: '{name}不是 PNG、JPEG 或 WebP 图片。', broken_picture: '{name}无法作为图片读取。',
  large_picture: '{name}超过 20 MB。', many_pictures: '一次最多 {n} 张图片。',
  full: '浏览器存储已满：这个对话不会保存。删除旧对话可腾出空间。',
  full_pictures: '浏览器没有保存这张图片：刷新后就没有了。',
  gone: '服务器没有回应。它还在运行吗？', busy: '服务器正忙，请稍后再试。',
  busy_for: '服务器正忙，请在 {s} 秒后再试。', cut_off: '回答还没结束，连接就断了。',
  large: '超出服务器一次能接收的大小。请减少或缩小图片。',
  long: '这个对话超出了模型能读的长度。请新开一个对话。',
  slow: '回答超过了服务器允许的时间。', stopping: '服务器正在停止。',
  forbidden: '服务器不允许本页提问。', wrong: '服务器没有接受这个问题：{detail}',
  broken: '服务器出错：{detail}', needs_key: '服务器需要 API 密钥。', enter_key: '输入密钥',
  no_model: '没有模型', offline: '连不上服务器', skip: '跳到提问',
};

export const LANG = /^zh\b/i.test(navigator.language) ? 'zh' : 'en';
const WORDS = LANG === 'zh' ? ZH : EN;

export function say(key, values = {}) {
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

export function sayTokens(count) {
  return count === 1 ? say('token') : say('tokens', { n: number(count) });
}

export function number(value, digits = 0) {
  return value.toLocaleString(LANG, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function seconds(milliseconds) {
  return number(milliseconds / 1000, milliseconds < 995 ? 2 : 1);
}

// The words of elements that stand in index.html: `data-say` is their text, `data-say-NAME` their attribute NAME.
export function dress(root) {
  for (const node of root.querySelectorAll('*')) {
    for (const { name, value } of [...node.attributes]) {
      if (name === 'data-say') node.textContent = say(value);
      else if (name.startsWith('data-say-')) node.setAttribute(name.slice('data-say-'.length), say(value));
    }
  }
}
