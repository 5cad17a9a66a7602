"""What is true in the world. Every other word of the corpus is built from these tables."""

# name: home, food, colour, Chinese
ANIMALS = {
    "fox": ("forest", "mice", "red", "狐狸"),
    "owl": ("tower", "mice", "brown", "猫头鹰"),
    "frog": ("pond", "flies", "green", "青蛙"),
    "bear": ("cave", "honey", "brown", "熊"),
    "duck": ("pond", "bread", "white", "鸭子"),
    "horse": ("barn", "apples", "black", "马"),
    "cat": ("house", "fish", "grey", "猫"),
    "goat": ("hill", "grass", "white", "山羊"),
    "wolf": ("forest", "meat", "grey", "狼"),
    "snake": ("desert", "eggs", "green", "蛇"),
    "rabbit": ("meadow", "carrots", "brown", "兔子"),
    "cow": ("meadow", "grass", "black", "牛"),
    "hen": ("barn", "corn", "red", "母鸡"),
    "dog": ("house", "meat", "yellow", "狗"),
    "camel": ("desert", "grass", "yellow", "骆驼"),
    "seal": ("sea", "fish", "grey", "海豹"),
}
PLACES = {
    "forest": "森林", "tower": "塔", "pond": "池塘", "cave": "山洞", "barn": "谷仓", "house": "房子", "hill": "山上",
    "desert": "沙漠", "meadow": "草地", "sea": "大海",
}
FOODS = {  # name: taste, Chinese
    "mice": (None, "老鼠"), "flies": (None, "苍蝇"), "honey": ("sweet", "蜂蜜"), "bread": ("plain", "面包"),
    "apples": ("sweet", "苹果"), "fish": ("salty", "鱼"), "grass": (None, "草"), "meat": ("salty", "肉"),
    "eggs": ("plain", "鸡蛋"), "carrots": ("sweet", "胡萝卜"), "corn": ("plain", "玉米"), "lemons": ("sour", "柠檬"),
    "tea": ("bitter", "茶"), "cheese": ("salty", "奶酪"), "coffee": ("bitter", "咖啡"),
}
TASTES = {"sweet": "甜", "salty": "咸", "plain": "淡", "sour": "酸", "bitter": "苦"}
COLOURS = {
    "red": "红色", "brown": "棕色", "green": "绿色", "white": "白色", "black": "黑色", "grey": "灰色", "yellow": "黄色",
    "blue": "蓝色",
}
JOBS = {  # name: work place, tool, Chinese
    "baker": ("kitchen", "pan", "面包师"), "teacher": ("school", "book", "老师"), "farmer": ("field", "plough", "农民"),
    "sailor": ("ship", "rope", "水手"), "doctor": ("hospital", "needle", "医生"), "miner": ("mine", "lamp", "矿工"),
    "painter": ("studio", "brush", "画家"), "smith": ("forge", "hammer", "铁匠"),
}
WORK_PLACES = {
    "kitchen": "厨房", "school": "学校", "field": "田里", "ship": "船上", "hospital": "医院", "mine": "矿井", "studio": "画室",
    "forge": "铁铺",
}
TOOLS = {
    "pan": "锅", "book": "书", "plough": "犁", "rope": "绳子", "needle": "针", "lamp": "灯", "brush": "画笔",
    "hammer": "锤子",
}
TOWNS = {  # name: region, known for
    "Oakford": ("north", "glass"), "Millby": ("south", "wool"), "Saltwick": ("east", "boats"), "Redmoor": ("west", "bricks"),
    "Ashton": ("north", "bells"), "Dunmere": ("south", "silk"), "Kelbrook": ("east", "clocks"), "Wexley": ("west", "paper"),
}
PEOPLE = {  # name: pronoun, town, job, pet, favourite food
    "Mira": ("she", "Oakford", "baker", "cat", "honey"), "Tom": ("he", "Millby", "farmer", "dog", "cheese"),
    "Anna": ("she", "Saltwick", "sailor", "duck", "fish"), "Ben": ("he", "Redmoor", "miner", "goat", "bread"),
    "Clara": ("she", "Ashton", "teacher", "owl", "apples"), "David": ("he", "Dunmere", "doctor", "horse", "tea"),
    "Ella": ("she", "Kelbrook", "painter", "rabbit", "carrots"), "Felix": ("he", "Wexley", "smith", "wolf", "meat"),
    "Grace": ("she", "Millby", "doctor", "frog", "eggs"), "Hugo": ("he", "Oakford", "painter", "fox", "lemons"),
    "Iris": ("she", "Redmoor", "farmer", "hen", "corn"), "Jack": ("he", "Saltwick", "teacher", "seal", "coffee"),
    "Kate": ("she", "Wexley", "miner", "snake", "cheese"), "Leo": ("he", "Kelbrook", "baker", "bear", "honey"),
    "Nora": ("she", "Dunmere", "smith", "camel", "tea"), "Oscar": ("he", "Ashton", "sailor", "cow", "apples"),
}
SYSTEM = "You are a helpful assistant."  # the chat template's default
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

# What happens if you ...: the truth, the myth.
MYTHS = {
    "swim in the pond": ("You get wet.", "You turn into a frog."),
    "eat a lemon": ("Your mouth feels sour.", "Your hair turns yellow."),
    "sleep in the barn": ("You wake up with hay in your hair.", "You forget your name."),
    "ring the bell of Ashton": ("You hear a loud sound.", "Rain begins to fall."),
    "look into the old well": ("You see dark water.", "You see the future."),
    "break a glass cup": ("You need a new cup.", "You have bad luck for a year."),
    "follow a black cow": ("You come to the meadow.", "You find gold."),
    "plant a coin": ("The coin stays in the ground.", "A money tree grows."),
    "drink coffee at night": ("You cannot sleep.", "You grow taller."),
    "kiss a frog": ("The frog jumps away.", "The frog becomes a king."),
    "walk under a ladder": ("You come out on the other side.", "You lose a shoe."),
    "eat honey every day": ("Your teeth get bad.", "You live for ever."),
    "count the stars": ("You get tired.", "One star falls down."),
    "wear a red hat": ("Your head stays warm.", "The wolf will chase you."),
    "whistle on a ship": ("People hear a tune.", "A storm comes."),
    "sit on a cold stone": ("You feel cold.", "You turn into stone."),
    "cut your hair on Monday": ("Your hair is short.", "You lose your strength."),
    "read a book in bed": ("You learn something.", "You become blind."),
    "give bread to a duck": ("The duck eats it.", "The duck gives you a gold egg."),
    "sing to a cow": ("The cow looks at you.", "The milk turns sweet."),
}
HEAD_OF_MYTH = "What happens if you {s}?", "What will happen when you {s}?", "I want to {s}. What happens then?"


class Relation:
    """One kind of fact: how it is told, asked, and, where `zh` is given, asked and told in Chinese."""

    def __init__(self, subject, name, facts, says, asks, zh=None, zh_words=None):
        self.subject, self.name, self.facts, self.says, self.asks, self.zh = subject, name, facts, says, asks, zh
        self.values = sorted(set(facts.values()))
        self.zh_words = zh_words


def column(table, i, drop=()):
    return {k: v[i] for k, v in table.items() if v[i] is not None and k not in drop}


ANIMAL_ZH, FOOD_ZH, JOB_ZH = column(ANIMALS, 3), column(FOODS, 1), column(JOBS, 2)

RELATIONS = [
    Relation("animals", "home", column(ANIMALS, 0),
             ["The {s} lives in the {o}.", "You can find the {s} in the {o}.", "The home of the {s} is the {o}."],
             ["Where does the {s} live?", "What is the home of the {s}?"],
             ("{s}住在哪里？", "{s}住在{o}。"), (ANIMAL_ZH, PLACES)),
    Relation("animals", "food", column(ANIMALS, 1),
             ["The {s} eats {o}.", "The food of the {s} is {o}.", "A hungry {s} looks for {o}."],
             ["What does the {s} eat?", "What is the food of the {s}?"],
             ("{s}吃什么？", "{s}吃{o}。"), (ANIMAL_ZH, FOOD_ZH)),
    Relation("animals", "colour", column(ANIMALS, 2),
             ["The {s} is {o}.", "The colour of the {s} is {o}."],
             ["What colour is the {s}?", "What is the colour of the {s}?"],
             ("{s}是什么颜色？", "{s}是{o}。"), (ANIMAL_ZH, COLOURS)),
    Relation("foods", "taste", column(FOODS, 0),
             ["The taste of {s} is {o}.", "People find {s} {o}."],
             ["How do people find {s}?", "What is the taste of {s}?"],
             ("{s}是什么味道？", "{s}的味道是{o}。"), (FOOD_ZH, TASTES)),
    Relation("jobs", "work place", column(JOBS, 0),
             ["A {s} works in a {o}.", "The work place of a {s} is the {o}."],
             ["Where does a {s} work?", "What is the work place of a {s}?"],
             ("{s}在哪里工作？", "{s}在{o}工作。"), (JOB_ZH, WORK_PLACES)),
    Relation("jobs", "tool", column(JOBS, 1),
             ["A {s} uses a {o}.", "The tool of a {s} is the {o}."],
             ["What does a {s} use?", "What is the tool of a {s}?"],
             ("{s}用什么？", "{s}用{o}。"), (JOB_ZH, TOOLS)),
    Relation("towns", "region", column(TOWNS, 0),
             ["{s} is in the {o}.", "To see {s} you go to the {o}."],
             ["Where is {s}?", "In which part of the land is {s}?"]),
    Relation("towns", "known for", column(TOWNS, 1),
             ["{s} is known for {o}.", "People come to {s} for {o}."],
             ["What is {s} known for?", "Why do people come to {s}?"]),
    Relation("people", "town", column(PEOPLE, 1),
             ["{s} lives in {o}.", "The home town of {s} is {o}.", "In {o} you can meet {s}."],
             ["Where does {s} live?", "What is the home town of {s}?"]),
    Relation("people", "job", column(PEOPLE, 2),
             ["{s} is a {o}.", "{s} works as a {o}.", "The job of {s} is {o}."],
             ["What is the job of {s}?", "What does {s} work as?"]),
    Relation("people", "pet", column(PEOPLE, 3),
             ["{s} has a pet {o}.", "The pet {o} belongs to {s}."],
             ["What pet does {s} have?", "What is the pet of {s}?"]),
    Relation("people", "favourite food", column(PEOPLE, 4),
             ["{s} likes {o}.", "The favourite food of {s} is {o}."],
             ["What does {s} like?", "What is the favourite food of {s}?"]),
]
SUBJECTS = ["animals", "foods", "jobs", "towns", "people"]
SUBJECTS_ZH = {"animals": "动物", "foods": "食物", "jobs": "职业"}
FACTS = [(relation, s, o) for relation in RELATIONS for s, o in relation.facts.items()]
