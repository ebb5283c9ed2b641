"""What recipes say of data, a file a part"""
