"""What a recipe can say about its data, a file a part"""
