"""The words the made-up company is made of: names, places, goods and sentences.

Nothing here belongs to a real person: e-mail domains are reserved for documentation (RFC 2606),
names are common ones and combined at random, and telephone numbers are drawn elsewhere from
plausible ranges.
"""

SURNAMES_CN = (
    ("王", "Wang"), ("李", "Li"), ("张", "Zhang"), ("刘", "Liu"), ("陈", "Chen"), ("杨", "Yang"),
    ("赵", "Zhao"), ("黄", "Huang"), ("周", "Zhou"), ("吴", "Wu"), ("徐", "Xu"), ("孙", "Sun"),
    ("胡", "Hu"), ("朱", "Zhu"), ("高", "Gao"), ("林", "Lin"), ("何", "He"), ("郭", "Guo"),
    ("马", "Ma"), ("罗", "Luo"), ("梁", "Liang"), ("宋", "Song"), ("郑", "Zheng"), ("谢", "Xie"),
    ("韩", "Han"), ("唐", "Tang"), ("冯", "Feng"), ("于", "Yu"), ("董", "Dong"), ("萧", "Xiao"),
    ("程", "Cheng"), ("曹", "Cao"), ("袁", "Yuan"), ("邓", "Deng"), ("许", "Xu"), ("傅", "Fu"),
    ("沈", "Shen"), ("曾", "Zeng"), ("彭", "Peng"), ("吕", "Lyu"), ("欧阳", "Ouyang"),
    ("司徒", "Situ"),
)  # fmt: skip

# The first half is mostly given to women, the second mostly to men.
GIVEN_CN = (
    ("芳", "fang"), ("娜", "na"), ("敏", "min"), ("静", "jing"), ("丽", "li"), ("艳", "yan"),
    ("娟", "juan"), ("霞", "xia"), ("婷", "ting"), ("雪", "xue"), ("慧", "hui"), ("莹", "ying"),
    ("欣", "xin"), ("怡", "yi"), ("佳", "jia"), ("琳", "lin"), ("梦", "meng"), ("雨", "yu"),
    ("伟", "wei"), ("强", "qiang"), ("磊", "lei"), ("军", "jun"), ("勇", "yong"), ("杰", "jie"),
    ("涛", "tao"), ("明", "ming"), ("超", "chao"), ("刚", "gang"), ("平", "ping"), ("辉", "hui"),
    ("浩", "hao"), ("宇", "yu"), ("轩", "xuan"), ("博", "bo"), ("鹏", "peng"), ("志", "zhi"),
)  # fmt: skip
FIRST_EN = (
    "Emma", "Olivia", "Sophia", "Grace", "Hannah", "Chloe", "Alice", "Ruth", "Laura", "Megan",
    "Julia", "Nadia", "Priya", "Mei Ling", "Siobhan", "Zoë", "James", "Oliver", "Henry", "Jack",
    "Daniel", "Samuel", "Thomas", "Michael", "Adam", "Robert", "Ravi", "Kenneth", "Peter", "Liam",
    "José", "George",
)  # fmt: skip
SURNAMES_EN = (
    "Smith", "Jones", "Williams", "Brown", "Taylor", "Davies", "Wilson", "Evans", "Thomas",
    "Johnson", "Roberts", "Walker", "Wright", "Robinson", "Thompson", "Hughes", "Green", "Hall",
    "Lewis", "Clarke", "Patel", "Khan", "Murphy", "O'Neill", "Fraser", "García", "Müller", "Lee",
    "Tan", "Wong", "Chan", "Ng", "Lim", "Baker", "Carter", "Mitchell", "Cooper", "Reed", "Bailey",
    "Foster",
)  # fmt: skip

# city, in Latin letters, state or province, first digits of the postal code, relative size
CITIES_CN = (
    ("上海", "Shanghai", "上海", "200", 12), ("北京", "Beijing", "北京", "100", 11),
    ("广州", "Guangzhou", "广东", "510", 8), ("深圳", "Shenzhen", "广东", "518", 9),
    ("杭州", "Hangzhou", "浙江", "310", 7), ("宁波", "Ningbo", "浙江", "315", 3),
    ("南京", "Nanjing", "江苏", "210", 4), ("苏州", "Suzhou", "江苏", "215", 4),
    ("成都", "Chengdu", "四川", "610", 6), ("重庆", "Chongqing", "重庆", "400", 4),
    ("武汉", "Wuhan", "湖北", "430", 4), ("长沙", "Changsha", "湖南", "410", 3),
    ("西安", "Xi'an", "陕西", "710", 3), ("郑州", "Zhengzhou", "河南", "450", 3),
    ("天津", "Tianjin", "天津", "300", 3), ("青岛", "Qingdao", "山东", "266", 3),
    ("济南", "Jinan", "山东", "250", 2), ("厦门", "Xiamen", "福建", "361", 2),
    ("福州", "Fuzhou", "福建", "350", 2), ("合肥", "Hefei", "安徽", "230", 2),
    ("昆明", "Kunming", "云南", "650", 2), ("沈阳", "Shenyang", "辽宁", "110", 2),
    ("大连", "Dalian", "辽宁", "116", 2), ("哈尔滨", "Harbin", "黑龙江", "150", 1),
)  # fmt: skip

# city, state, first letters of the postal code, country, relative size
CITIES_ABROAD = (
    ("Hong Kong", "Kowloon", "", "HK", 30), ("Singapore", "Singapore", "23", "SG", 15),
    ("London", "England", "SW1A ", "GB", 10), ("Manchester", "England", "M1 ", "GB", 5),
    ("New York", "NY", "100", "US", 12), ("San Francisco", "CA", "941", "US", 9),
    ("Seattle", "WA", "981", "US", 6), ("Boston", "MA", "021", "US", 5),
    ("Austin", "TX", "787", "US", 4),
)  # fmt: skip
STREETS_CN = (
    "人民路", "中山路", "解放路", "建设路", "和平路", "新华路", "文化路", "长江路", "黄河路",
    "学院路", "滨江大道", "世纪大道", "科技园路", "梧桐街", "桂花巷", "莲花路", "南京路",
    "延安路",
)  # fmt: skip
STREETS_EN = (
    "High Street", "Station Road", "Church Lane", "Park Avenue", "Mill Road", "Queen's Road",
    "Main Street", "Nathan Road", "Orchard Road", "Maple Drive", "Cedar Street", "Lake View",
    "Market Street", "King Street",
)  # fmt: skip
DOMAINS = (
    "example.com", "mail.example.com", "example.cn", "qq.example.cn", "163.example.cn",
    "example.org", "post.example.org",
)  # fmt: skip
DOMAIN_WEIGHTS = (22, 20, 14, 18, 12, 8, 6)
COMMON_EMAIL = "info@example.cn"
COMMON_PHONE = "00000000000"
OCCUPATIONS = (
    "教师", "工程师", "医生", "设计师", "公务员", "自由职业", "销售", "会计", "student",
    "engineer", "teacher", "nurse", "manager", "retired",
)  # fmt: skip
INCOME_BANDS = ("<5k", "5k-10k", "10k-20k", "20k-50k", ">50k")
JOB_TITLES = (
    "采购经理", "行政主管", "总经理", "项目经理", "Buyer", "Office Manager", "Head of Purchasing",
    "CEO",
)  # fmt: skip
DEPARTMENTS = ("采购部", "行政部", "市场部", "Purchasing", "Administration", "Marketing")
LEAD_SOURCES = ("web_form", "exhibition", "referral", "store", "wechat", "cold_call", "partner")
TAGS = (
    "vip", "coffee", "gift-buyer", "母婴", "老客户", "企业采购", "price-sensitive", "event-2024",
)  # fmt: skip

# parent category, category, Chinese name, typical price in CNY, brand, relative demand
CATEGORIES = (
    ("Kitchen", "Coffee", "咖啡", 68, "云山", 14), ("Kitchen", "Tea", "茶叶", 128, "清和", 12),
    ("Kitchen", "Cookware", "锅具", 259, "Ferrum", 9),
    ("Home", "Bedding", "床品", 329, "眠月", 8),
    ("Home", "Lighting", "灯具", 189, "Lumen & Co", 7),
    ("Home", "Storage", "收纳", 59, "方寸", 9), ("Body", "Skincare", "护肤", 218, "Botanica", 14),
    ("Body", "Fragrance", "香氛", 299, "Botanica", 6),
    ("Outdoor", "Camping", "露营", 399, "North Ridge", 6),
    ("Outdoor", "Cycling", "骑行", 269, "North Ridge", 5),
    ("Kids", "Toys", "玩具", 99, "小木马", 8), ("Kids", "Books", "绘本", 45, "小木马", 7),
)  # fmt: skip
PRODUCT_STYLES = (
    ("Mini", "迷你"), ("Basic", "基础"), ("Classic", "经典"), ("Daily", "日常"),
    ("Fresh", "清新"), ("Natural", "天然"), ("Plus", "加量"), ("Studio", "工坊"),
    ("Travel", "旅行"), ("Select", "精选"), ("Family", "家庭"), ("Heritage", "传承"),
    ("Reserve", "珍藏"), ("Master", "大师"), ("Limited", "限量"), ("Signature", "臻享"),
)  # fmt: skip
COUPONS = ("WELCOME10", "SPRING5", "618SALE", "D11SALE", "VIPDAY", "FRIENDS20")
CANCEL_REASONS = ("changed_mind", "out_of_stock", "wrong_address", "payment_failed")
REFUND_REASONS = (
    ("damaged", "收到时包装破损"), ("not_as_described", "与描述不符"),
    ("late", "Arrived too late for the birthday"), ("wrong_item", "发错货了"),
    ("no_longer_needed", "No longer needed"), ("quality", "用了两次就坏了"),
)  # fmt: skip
SEARCH_TERMS = (
    "咖啡豆", "挂耳咖啡", "龙井", "铸铁锅", "四件套", "台灯", "收纳盒", "精华", "香薰", "帐篷",
    "骑行服", "积木", "绘本", "gift", "coffee beans", "tent", "night cream",
)  # fmt: skip
COMPANY_HEADS = (
    "华远", "新邦", "天际", "东方", "立信", "恒达", "Bright", "Harbour", "Summit", "Orchid",
    "蓝海", "金桥",
)  # fmt: skip
COMPANY_TRADES = (
    ("科技有限公司", "technology"), ("贸易有限公司", "trade"),
    ("酒店管理有限公司", "hospitality"), ("文化传媒有限公司", "media"), (" Trading Ltd", "trade"),
    (" Hotels Group", "hospitality"), (" Logistics Inc.", "logistics"),
)  # fmt: skip
INSTITUTION_TRADES = (
    ("第一中学", "education"), ("人民医院", "health"), ("图书馆", "culture"),
    (" University", "education"), (" Foundation", "charity"),
)  # fmt: skip
ACTIVITY_SUBJECTS = (
    "回访客户", "介绍新品", "节日问候", "确认收货", "了解需求", "Follow-up on last order",
    "Birthday greeting", "Quarterly review", "Product demo", "Invitation to store event",
)  # fmt: skip
OUTCOMES = ("reached", "no_answer", "interested", "not_interested", "call_back_later")

# case type, category, subject, body
CASES = (
    ("complaint", "logistics", "快递太慢", "下单一个星期了还没有收到，客服一直说在路上。"),
    ("complaint", "logistics", "Parcel left outside", "It was left in the rain."),
    ("complaint", "quality", "商品有质量问题", "锅用了两次涂层就掉了，希望尽快处理。"),
    ("complaint", "quality", "Broken on arrival", "The lamp is cracked. Please replace it."),
    ("complaint", "service", "客服态度不好", "打了三次电话都没有人解决我的问题。"),
    ("complaint", "price", "买完就降价", "昨天刚买今天就便宜了五十块，能退差价吗？"),
    ("complaint", "billing", "Charged twice", "My card shows two payments for the same order."),
    ("question", "product", "咨询咖啡豆的烘焙日期", "请问页面上的豆子是哪天烘焙的？"),
    ("question", "product", "Size of the tent", "Does it fit a 2.05 m sleeping pad?"),
    ("question", "loyalty", "积分什么时候到期", "我的积分还剩多少，什么时候过期？"),
    ("question", "delivery", "Do you ship to Singapore?", "It would be a gift for a friend."),
    ("return", "quality", "申请退货", "颜色和图片差别比较大，想退货。"),
    ("return", "delivery", "Wrong item received", "I ordered green tea and received black tea."),
    ("praise", "service", "表扬门店店员", "店员非常耐心，帮我挑到了合适的礼物。"),
    ("praise", "product", "Lovely coffee", "Best beans I have had in years, thank you!"),
    ("request", "billing", "需要开发票", "请补开一张增值税普通发票。"),
)  # fmt: skip
RESOLUTIONS = ("refunded", "replaced", "explained", "coupon_given", "forwarded")

# text, sentiment label, sentiment score, language
COMMENTS = (
    ("太好看了，已经下单！", "positive", 0.9, "zh"), ("包装很用心，喜欢", "positive", 0.8, "zh"),
    ("Love this blend!", "positive", 0.9, "en"), ("什么时候补货？", "neutral", 0.0, "zh"),
    ("Is this available in Singapore?", "neutral", 0.1, "en"),
    ("物流太慢了，等了十天", "negative", -0.7, "zh"), ("质量不如以前", "negative", -0.6, "zh"),
    ("Never answered my message.", "negative", -0.7, "en"),
)  # fmt: skip
PLATFORMS = ("weibo", "xiaohongshu", "douyin", "instagram", "facebook")
NPS_WORDS = (
    ("太失望了", "Too slow, will not buy again"), ("还可以", "Fine, nothing special"),
    ("非常满意，会推荐给朋友", "Great quality and service"),
)  # fmt: skip
