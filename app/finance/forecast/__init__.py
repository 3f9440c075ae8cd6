"""What calls will cost."""
