// Every sentence of the page: [English, Chinese]. `{name}` is filled in.
const WORDS = {
  skip: ["Skip to the page", "跳到正文"], theme: ["Light or dark", "明暗切换"],
  watch: ["Watch", "观看"], scores: ["Scores", "成绩"], talk: ["Talk", "对话"], describe: ["Describe", "描述"],
  inside: ["Inside", "内部"], data: ["Data", "数据"], runs: ["Runs", "训练"],
  facts: ["{model} · {millions} million parameters · context {context}", "{model} · {millions} 百万参数 · 上下文 {context}"],
  watchTitle: ["Watch it play", "看它玩"],
  watchLead: ["One network, live. Pause it, take over by keyboard, and hand back: it goes on from what you did.", "同一个网络，实时运行。可以暂停、用键盘接管，再交还给它：它会从你做的地方继续。"],
  family: ["Family", "类别"], task: ["Task", "任务"], seed: ["Seed", "种子"], speed: ["Steps a second", "每秒步数"],
  beside: ["expert and random beside it", "同时显示专家与随机"], begin: ["New episode", "新的一局"], play: ["Play", "播放"], pause: ["Pause", "暂停"],
  step: ["Step", "单步"], takeOver: ["Take over", "接管"], handBack: ["Hand back", "交还"],
  agent: ["agent", "智能体"], expert: ["expert", "专家"], random: ["random", "随机"], hand: ["you", "你"],
  starting: ["The simulator starts…", "模拟器启动中……"], solved: ["solved", "完成"], failed: ["not solved", "未完成"], over: ["over", "结束"],
  noPicture: ["No picture: {why}", "没有画面：{why}"], instruction: ["Instruction", "指令"], returned: ["return", "回报"], stepNumber: ["step {n}", "第 {n} 步"],
  usual: ["Measured returns: random {random}, expert {expert}", "测得的回报：随机 {random}，专家 {expert}"],
  action: ["The action and its probabilities", "动作及其概率"], positions: ["What it read in this step", "这一步读入的内容"],
  latency: ["Latency", "延迟"], latencyValue: ["model {model} ms, waited {queue} ms, simulator {env} ms", "模型 {model} 毫秒，等待 {queue} 毫秒，模拟器 {env} 毫秒"],
  yourTurn: ["Your turn: each key or button is one step.", "轮到你：每个按键就是一步。"], apply: ["Do it", "执行"], actedBy: ["by {who}", "由 {who} 操作"],
  lostConnection: ["The connection was lost: {why}. A new episode opens another.", "连接断开：{why}。新的一局会重新连接。"],
  scoresTitle: ["Scores", "成绩"], scoresLead: ["0 is random, 1 the expert. Held-out seeds and documents; intervals of 95 %.", "0 为随机，1 为专家。使用未见过的种子与文档；95% 区间。"],
  metric: ["Metric", "指标"], score: ["Score", "得分"], interval: ["Interval", "区间"], samples: ["Samples", "样本数"], references: ["Beside it", "参照"],
  measured: ["Measured {date} by {command}", "{date} 用 {command} 测得"], here: ["Measured on this machine", "在本机测得"], byFamily: ["By family", "按类别"],
  tasks: ["Tasks", "任务数"], mean: ["Mean", "均值"], median: ["Median", "中位数"], filter: ["Filter", "筛选"], video: ["Video of {task}", "{task} 的视频"],
  report: ["The static report of this machine", "本机的静态报告"], noScores: ["Nobody has measured this agent; `opengato evaluate` does.", "这个智能体还没有被评测；请运行 `opengato evaluate`。"], videos: ["Videos", "视频"],
  talkTitle: ["Talk to it", "与它对话"], talkLead: ["It goes on with what you write, and says what it sees. What it knows is what it was trained on.", "它会续写你的文字，并描述它看到的内容。它只知道训练数据里的东西。"],
  yourText: ["Your text", "你的文字"], send: ["Send", "发送"], stop: ["Stop", "停止"], picture: ["Picture", "图片"], sound: ["Sound", "声音"], record: ["Record", "录音"], recording: ["Stop recording", "停止录音"],
  temperature: ["Temperature", "温度"], length: ["Tokens", "词数"], film: ["Film", "影片"], lacks: ["This agent has no sense for: {what}.", "这个智能体不能感知：{what}。"], you: ["You", "你"], attached: ["{name} goes with the next message", "{name} 将随下一条消息发送"],
  stopped: ["stopped", "已停止"], perSecond: ["{n} pieces in {s} s", "{s} 秒内 {n} 段"], microphone: ["The microphone cannot be used: {why}", "无法使用麦克风：{why}"], clear: ["Clear", "清空"],
  describeTitle: ["Describe and ask", "描述与提问"], describeLead: ["Drop a picture, or take one it has never seen. It writes a caption, answers, and finds what is near.", "拖入一张图片，或选一张它没见过的。它会写说明、回答问题，并找出相近的内容。"],
  dropHere: ["Drop a picture here, or choose a file", "把图片拖到这里，或选择文件"], caption: ["Describe it", "描述"], question: ["Question or instruction", "问题或指令"], ask: ["Ask", "提问"], nearCaptions: ["Nearest captions", "最相近的说明"],
  search: ["Find pictures for a text", "用文字找图片"], find: ["Find", "查找"], heldOut: ["Held-out pictures", "未训练过的图片"], humans: ["A human wrote: {caption}", "人写的说明：{caption}"], nothingWritten: ["(it wrote nothing)", "（没有写出内容）"], chosen: ["The chosen picture", "选中的图片"],
  insideTitle: ["Inside", "内部"], insideLead: ["Where it looks while it decides each word, and the sequence it reads, position by position.", "它决定每个词时看向哪里，以及它逐个位置读入的序列。"],
  layer: ["Block", "层"], head: ["Head", "注意力头"], look: ["Look", "查看"], average: ["mean of all", "平均"], onPicture: ["{share} on the picture", "{share} 在图片上"], sequence: ["The sequence", "序列"], attention: ["Attention", "注意力"],
  mapTitle: ["Map of tasks", "任务地图"], mapLead: ["A point is an episode that it has not seen; what its middle block makes of two of them is alike where they are near.", "每个点是一局它没见过的任务；中间层的表示越相近，两点离得越近。"],
  mapDraw: ["Draw the map", "绘制地图"], mapDrawing: ["Episodes are played and laid out; this takes a minute or more…", "正在运行并排布各局，需要一分钟或更久……"], mapNone: ["This page has no map.", "这个页面没有地图。"],
  mapHover: ["Point at a dot, or choose a task.", "指向一个点，或选择一个任务。"], mapPoint: ["{task}: {n} episodes", "{task}：{n} 局"],
  mapFacts: ["{n} episodes after block {layer} of {depth}; the nearest neighbour is of the same task for {same} (by chance {chance}).", "第 {layer} 层（共 {depth} 层）之后的 {n} 局；{same} 的最近邻属于同一任务（随机为 {chance}）。"],
  dataTitle: ["Data", "数据"], dataLead: ["Stores of episodes on this machine.", "本机上的数据集。"], store: ["Store", "数据集"], all: ["all", "全部"], outcome: ["Outcome", "结果"], episodes: ["Episodes", "条目"], steps: ["Steps", "步数"], next: ["Next", "下一页"], previous: ["Previous", "上一页"],
  noStores: ["There are no stores here; `opengato collect` and `opengato import` make some.", "这里没有数据集；`opengato collect` 和 `opengato import` 可以生成。"], episode: ["Episode {n}", "条目 {n}"], tokens: ["As the agent would read it", "智能体读入的样子"], unreadable: ["This agent cannot read it: {why}", "这个智能体读不了：{why}"], ofTotal: ["{from}–{to} of {total}", "{total} 中的 {from}–{to}"], observation: ["observation", "观测"], reward: ["reward", "奖励"], done: ["action", "动作"],
  runsTitle: ["Runs", "训练"], runsLead: ["Curves of trainings on this machine, as they grow.", "本机训练的曲线，实时更新。"], run: ["Run", "训练"], noRuns: ["There are no runs here; `opengato train tiny` begins one.", "这里没有训练记录；`opengato train tiny` 会开始一个。"], latest: ["{value} at step {step}", "第 {step} 步：{value}"],
  token: ["This server asks for a token", "服务器需要口令"], failure: ["It did not work: {why}", "出错了：{why}"], working: ["Working…", "处理中……"],
};

export const languages = ["en", "zh"];
let place = 0;

export function setLanguage(name) {
  place = Math.max(0, languages.indexOf(name));
  document.documentElement.lang = name === "zh" ? "zh-Hans" : "en";
}

export function word(name, filled = {}) {
  const pair = WORDS[name];
  if (!pair) throw new Error(`no words for ${name}`);
  return pair[place].replace(/\{(\w+)\}/g, (_, key) => filled[key] ?? "–");
}
