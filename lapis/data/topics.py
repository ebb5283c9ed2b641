"""Words that tell what a text is about: the topics of WebOrganizer (arXiv 2502.10341, table 1) but one, words ours.

English words stand for their plural too. A Chinese word has two to four characters. Words that several topics share are
left out. The topic that is left out is adult content.
"""

TOPICS: dict[str, str] = {
    "art": "art artist painting sculpture museum gallery designer watercolor portrait exhibition canvas sketch "
    "艺术 画家 绘画 雕塑 博物馆 美术 设计师 水彩 画展 素描 书法 画廊",
    "crime": "court lawyer judge crime police trial attorney lawsuit verdict prison defendant theft murder "
    "法院 律师 法官 犯罪 警察 判决 诉讼 监狱 被告 法律 盗窃 案件",
    "education": "school student teacher university college exam classroom curriculum tuition scholarship career "
    "学校 学生 老师 大学 考试 课程 教育 学费 奖学金 简历 招聘 教室",
    "electronics": "laptop smartphone processor gpu motherboard monitor keyboard battery charger chip printer "
    "笔记本 手机 处理器 显卡 主板 显示器 键盘 电池 充电器 芯片 打印机 电路",
    "entertainment": "movie film actor actress album concert song band director television episode celebrity "
    "电影 演员 专辑 演唱会 歌曲 乐队 导演 电视剧 明星 综艺 影片 歌手",
    "fashion": "fashion dress makeup skincare lipstick hairstyle perfume jewelry handbag outfit shampoo "
    "时尚 裙子 化妆 护肤 口红 发型 香水 首饰 穿搭 服装 洗发水 面膜",
    "finance": "bank stock investor market loan revenue profit tax inflation mortgage economy shareholder "
    "银行 股票 投资 市场 贷款 收入 利润 税收 通货膨胀 房贷 经济 股东",
    "food": "recipe oven flour sugar butter restaurant chef salad soup sauce garlic bake dish delicious "
    "食谱 烤箱 面粉 白糖 黄油 餐厅 厨师 沙拉 蒜末 炒菜 美味 酱油 做法",
    "games": "game gamer console multiplayer quest dungeon chess puzzle arcade playstation xbox nintendo "
    "游戏 玩家 主机 副本 象棋 关卡 电竞 手游 棋牌 通关 装备 联机",
    "health": "doctor patient hospital disease symptom vaccine surgery therapy medicine infection diabetes clinic "
    "医生 患者 医院 疾病 症状 疫苗 手术 治疗 药物 感染 糖尿病 门诊",
    "history": "empire dynasty ancient medieval archaeologist emperor treaty kingdom colonial artifact century "
    "帝国 王朝 古代 中世纪 考古 皇帝 条约 王国 文物 朝代 世纪 战国",
    "home": "garden furniture kitchen sofa lawn plumbing decor gardening paint carpentry houseplant bedroom "
    "花园 家具 厨房 沙发 草坪 水管 装修 园艺 油漆 木工 盆栽 卧室",
    "industry": "factory manufacturing steel machinery mining pipeline welding supplier cement refinery turbine "
    "工厂 制造 钢铁 机械 采矿 管道 焊接 供应商 水泥 炼油 生产线 涡轮",
    "literature": "novel poem poet author literary fiction protagonist chapter writer verse narrator "
    "小说 诗歌 诗人 作者 文学 主人公 作家 散文 叙述 诗句 故事 名著",
    "politics": "election parliament senator president vote policy democracy minister legislation campaign treaty "
    "选举 议会 总统 投票 政策 民主 部长 立法 外交 政府 党派 议员",
    "religion": "church god prayer bible temple faith worship monk buddhist priest sermon scripture "
    "教堂 上帝 祈祷 圣经 寺庙 信仰 和尚 佛教 牧师 经文 佛祖 礼拜",
    "science": "physics chemistry biology experiment molecule theorem equation galaxy quantum protein species "
    "物理 化学 生物 实验 分子 定理 方程 星系 量子 蛋白质 物种 数学",
    "social": "wedding family friendship dating marriage parent neighbor volunteer birthday relationship community "
    "婚礼 家庭 友谊 约会 婚姻 父母 邻居 志愿者 生日 朋友 社区 孩子",
    "software": "software install menu dialog browser server database file desktop download plugin toolbar spreadsheet "
    "软件 安装 菜单 对话框 浏览器 服务器 数据库 文件 桌面 下载 插件 工具栏 表格",
    "development": "function compiler python javascript variable parameter api repository debug algorithm class object "
    "函数 编译 变量 参数 接口 代码 调试 算法 对象 返回值 指针 数组 编程",
    "sports": "football basketball team player coach league championship goal tennis olympic marathon fitness "
    "足球 篮球 球队 球员 教练 联赛 冠军 进球 网球 奥运会 马拉松 健身",
    "transport": "car engine highway truck vehicle driver railway train bus tire bicycle brake "
    "汽车 发动机 高速公路 卡车 车辆 司机 铁路 火车 公交车 轮胎 自行车 刹车",
    "travel": "travel hotel tourist beach airline flight luggage itinerary passport resort sightseeing hostel "
    "旅行 酒店 游客 海滩 航空 航班 行李 行程 护照 度假 景点 民宿",
}
